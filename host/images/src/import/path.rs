//! The path of a member of an archive: bytes that somebody else chose.

use std::fmt;

use super::error::{ImportError, MemberFault};
use super::limits::Limits;

/// What a file system takes as one name (NAME_MAX).
const LONGEST_NAME: usize = 255;
/// Of a path in a message.
const LONGEST_SHOWN: usize = 200;

/// A path below the root: names that are none of empty, `.` and `..`, with one slash between them. Empty: the root.
///
/// Need not be UTF-8; holds no NUL byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberPath(Vec<u8>);

impl MemberPath {
    /// Takes `./a//b/` for `a/b`, and refuses what would not be below the root.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, MemberFault> {
        if bytes.first() == Some(&b'/') {
            return Err(MemberFault::Absolute);
        }
        if bytes.contains(&0) {
            return Err(MemberFault::NulByte);
        }
        if bytes.len() > limits.path {
            return Err(MemberFault::PathTooLong(limits.path));
        }
        let mut path = Self::default();
        let mut depth = 0;
        for name in bytes.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return Err(MemberFault::Parent),
                name if name.len() > LONGEST_NAME => return Err(MemberFault::NameTooLong),
                name => path = path.join(name),
            }
            depth += 1;
        }
        if depth > limits.depth {
            return Err(MemberFault::TooDeep(limits.depth));
        }
        Ok(path)
    }

    /// The path of `name`, which is one name, in this directory.
    pub(crate) fn join(mut self, name: &[u8]) -> Self {
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        self
    }

    /// What is wrong with it, as the import's error.
    pub(crate) fn fault(&self, fault: MemberFault) -> ImportError {
        ImportError::Member { member: self.to_string(), fault }
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory that it is in, and its name there. None: it is the root.
    pub(crate) fn split(&self) -> Option<(&[u8], &[u8])> {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Some((self.0.get(..slash)?, self.0.get(slash + 1..)?)),
            None if self.0.is_empty() => None,
            None => Some((&[], &self.0)),
        }
    }

    /// Every directory on the way to it, the outermost first, the root left out.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.filter_map(|(slash, _)| self.0.get(..slash))
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

/// Bytes that somebody else chose, for a message: no terminal obeys them, and they end.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text: String = String::from_utf8_lossy(bytes).chars().flat_map(char::escape_debug).collect();
    if let Some((end, _)) = text.char_indices().nth(LONGEST_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Vec<u8>, MemberFault> {
        MemberPath::parse(bytes, &Limits { depth: 3, path: 600, ..Limits::default() }).map(|path| path.0)
    }

    #[test]
    fn a_path_loses_what_means_nothing() {
        for (given, meant) in [("./", ""), ("a", "a"), ("./a//b/./c/", "a/b/c"), ("..a/b..", "..a/b..")] {
            assert_eq!(parse(given.as_bytes()).unwrap(), meant.as_bytes());
        }
        assert_eq!(parse(b"\xff/\xfe").unwrap(), b"\xff/\xfe");
    }

    #[test]
    fn a_path_that_is_not_below_the_root_is_refused() {
        assert!(matches!(parse(b"/etc/passwd"), Err(MemberFault::Absolute)));
        for path in ["..", "../a", "a/../../b", "a/.."] {
            assert!(matches!(parse(path.as_bytes()), Err(MemberFault::Parent)), "{path}");
        }
        assert!(matches!(parse(b"a\0b"), Err(MemberFault::NulByte)));
    }

    #[test]
    fn a_path_beyond_the_limits_is_refused() {
        assert!(matches!(parse(&[b'x'; 256]), Err(MemberFault::NameTooLong)));
        assert!(parse(&[b'x'; 255]).is_ok());
        assert!(matches!(parse(&b"x/".repeat(301)), Err(MemberFault::PathTooLong(600))));
        assert!(matches!(parse(b"a/b/c/d"), Err(MemberFault::TooDeep(3))));
    }

    #[test]
    fn a_path_knows_its_directories() {
        let path = MemberPath(b"a/b/c".to_vec());
        assert_eq!(path.split(), Some((&b"a/b"[..], &b"c"[..])));
        assert_eq!(path.ancestors().collect::<Vec<_>>(), [&b"a"[..], b"a/b"]);
        assert_eq!(MemberPath(b"a".to_vec()).split(), Some((&b""[..], &b"a"[..])));
        assert_eq!(MemberPath::default().split(), None);
    }

    #[test]
    fn what_is_shown_cannot_drive_a_terminal() {
        assert_eq!(shown(b"a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(shown(&[b'x'; 1000]).chars().count(), LONGEST_SHOWN + 1);
    }
}
