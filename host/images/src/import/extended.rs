//! Extended headers of tar: what they say about the next member.
//!
//! Read here and not by the tar library, which would take them into memory however long they are, and takes a newline
//! within a value for its end.

use std::io::Read;

use super::error::{ArchiveFault, ImportError};

/// Long enough for a path, a link and some extended attributes.
const LONGEST: u64 = 1024 * 1024;

/// What was said about the next member.
#[derive(Debug, Default)]
pub(crate) struct Extended {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) modified: Option<i64>,
    pub(crate) is_sparse: bool,
    /// Whether anything was said.
    pub(crate) pending: bool,
}

impl Extended {
    /// GNU tar's header for a path of the next member that does not fit into its own.
    pub(crate) fn long_path(&mut self, content: impl Read) -> Result<(), ImportError> {
        self.set_long(content, |extended| &mut extended.path)
    }

    /// GNU tar's header for the target of a link.
    pub(crate) fn long_link(&mut self, content: impl Read) -> Result<(), ImportError> {
        self.set_long(content, |extended| &mut extended.link)
    }

    fn set_long(
        &mut self,
        content: impl Read,
        which: impl Fn(&mut Self) -> &mut Option<Vec<u8>>,
    ) -> Result<(), ImportError> {
        let mut name = read(content)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        self.pending = true;
        match which(self).replace(name) {
            None => Ok(()),
            Some(_) => Err(ArchiveFault::StrayHeader.into()),
        }
    }

    /// A header of the pax format: records of the form `LENGTH KEY=VALUE\n` (POSIX, pax, "pax Extended Header").
    pub(crate) fn pax(&mut self, content: impl Read) -> Result<(), ImportError> {
        let records = read(content)?;
        self.pending = true;
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (key, value, after) = record(rest).ok_or(ArchiveFault::MalformedHeader)?;
            self.set(key, value).ok_or(ArchiveFault::MalformedHeader)?;
            rest = after;
        }
        Ok(())
    }

    /// None: the value is none of this key's.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.modified = Some(seconds(value)?),
            key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            // Extended attributes among them: a file's capabilities are as good as a set-user-id bit.
            _ => {}
        }
        Some(())
    }
}

fn read(content: impl Read) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    content.take(LONGEST + 1).read_to_end(&mut bytes).map_err(ImportError::of_stream)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(ArchiveFault::LongHeader(LONGEST).into()),
        false => Ok(bytes),
    }
}

/// Key and value of the first record, and what comes after it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = number(bytes.get(..space)?)?.try_into().ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((body.get(..equals)?, body.get(equals + 1..)?, bytes.get(length..)?))
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Whole seconds out of `-1.5` and the like.
fn seconds(time: &[u8]) -> Option<i64> {
    str::from_utf8(time).ok()?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pax(bytes: &[u8]) -> Result<Extended, ImportError> {
        let mut extended = Extended::default();
        extended.pax(bytes).map(|()| extended)
    }

    #[test]
    fn records_are_as_long_as_they_say() {
        let extended = pax(b"12 path=a\nb\n12 uid=1000\n17 mtime=-12.345\n9 other=\n").unwrap();
        assert_eq!(extended.path.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!((extended.uid, extended.modified), (Some(1000), Some(-12)));
    }

    #[test]
    fn records_that_make_no_sense_are_refused() {
        for bytes in ["8 path=a\n", "99 path=a\n", "path=a\n", "5 a=b", "12 uid=1x00\n", "3 \n", "0 \n"] {
            let refused = pax(bytes.as_bytes());
            assert!(matches!(refused, Err(ImportError::Archive(ArchiveFault::MalformedHeader))), "{bytes:?}");
        }
    }

    #[test]
    fn a_header_without_an_end_is_refused() {
        let refused = Extended::default().long_path(std::io::repeat(b'x'));
        assert!(matches!(refused, Err(ImportError::Archive(ArchiveFault::LongHeader(LONGEST)))));
    }

    #[test]
    fn two_long_names_of_one_member_are_refused() {
        let mut extended = Extended::default();
        extended.long_path(&b"a\0"[..]).unwrap();
        assert!(extended.long_path(&b"b\0"[..]).is_err());
    }
}
