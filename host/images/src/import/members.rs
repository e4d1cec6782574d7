//! The members of a tar archive, one after the other, from a stream that is read once.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::error::{ArchiveFault, ImportError, MemberFault};
use super::extended::Extended;
use super::limits::{Bounded, Limits};
use super::path::{MemberPath, shown};
use super::tree::Attributes;

/// Of a block, which everything in a tar archive is a multiple of.
const BLOCK: u64 = 512;

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) path: MemberPath,
    pub(crate) kind: Kind,
    pub(crate) attributes: Attributes,
    /// Of its contents, in bytes.
    pub(crate) size: u64,
}

/// What a member is.
#[derive(Debug)]
pub(crate) enum Kind {
    Directory,
    File,
    SymbolicLink(Vec<u8>),
    HardLink(MemberPath),
    Device,
    Pipe,
}

/// Calls `each` with every member and its contents, which need not be read. Gives the stream back, read as far as the
/// archive goes.
pub(crate) fn for_each<'a, R: Read>(
    stream: Bounded<'a, R>,
    limits: &Limits,
    mut each: impl FnMut(Member, &mut dyn Read) -> Result<(), ImportError>,
) -> Result<Bounded<'a, R>, ImportError> {
    let mut archive = Archive::new(stream);
    let walked = walk(&mut archive, limits, &mut each);
    let stream = archive.into_inner();
    match walked {
        // The library has one word for many kinds of damage.
        Err(ImportError::Archive(ArchiveFault::Damaged(_))) if stream.has_ended() => {
            Err(ArchiveFault::Truncated.into())
        }
        Err(error) => Err(error),
        // An archive ends with blocks of zeros. One that ends with a member has lost those that came after it.
        Ok(end) if stream.passed() <= end => Err(ArchiveFault::Truncated.into()),
        Ok(_) => Ok(stream),
    }
}

/// Where the last member ends.
fn walk<R: Read>(
    archive: &mut Archive<R>,
    limits: &Limits,
    each: &mut impl FnMut(Member, &mut dyn Read) -> Result<(), ImportError>,
) -> Result<u64, ImportError> {
    let mut end = 0;
    let mut extended = Extended::default();
    for entry in archive.entries().map_err(ImportError::of_stream)?.raw(true) {
        let mut entry = entry.map_err(ImportError::of_stream)?;
        end = entry.raw_file_position().saturating_add(entry.size().next_multiple_of(BLOCK));
        match entry.header().entry_type() {
            EntryType::GNULongName => extended.long_path(&mut entry)?,
            EntryType::GNULongLink => extended.long_link(&mut entry)?,
            EntryType::XHeader => extended.pax(&mut entry)?,
            // About all further members, and nothing that an image needs.
            EntryType::XGlobalHeader => {}
            _ => {
                let member = describe(&entry, std::mem::take(&mut extended), limits)?;
                each(member, &mut entry)?;
            }
        }
    }
    match extended.pending {
        true => Err(ArchiveFault::StrayHeader.into()),
        false => Ok(end),
    }
}

fn describe<R: Read>(
    entry: &Entry<'_, R>,
    extended: Extended,
    limits: &Limits,
) -> Result<Member, ImportError> {
    let header = entry.header();
    let name = extended.path.unwrap_or_else(|| entry.path_bytes().into_owned());
    let fault = |fault| ImportError::Member { member: shown(&name), fault };
    let path = MemberPath::parse(&name, limits).map_err(fault)?;
    if extended.is_sparse {
        return Err(fault(MemberFault::Sparse));
    }
    if extended.size.is_some_and(|size| size != entry.size()) {
        return Err(fault(MemberFault::TwoSizes));
    }
    let link =
        || extended.link.clone().or_else(|| entry.link_name_bytes().map(Into::into)).unwrap_or_default();
    let kind = match header.entry_type() {
        // Before there was a type for it, a slash at the end made a directory.
        EntryType::Regular if name.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::SymbolicLink(link()),
        EntryType::Link => Kind::HardLink(
            MemberPath::parse(&link(), limits).map_err(|of| fault(MemberFault::LinkOutside(Box::new(of))))?,
        ),
        EntryType::Char | EntryType::Block => Kind::Device,
        EntryType::Fifo => Kind::Pipe,
        EntryType::GNUSparse => return Err(fault(MemberFault::Sparse)),
        unknown => return Err(fault(MemberFault::UnknownKind(char::from(unknown.as_byte())))),
    };
    let number = |read: io::Result<u64>| read.map_err(ImportError::of_stream);
    let attributes = Attributes {
        mode: header.mode().map_err(ImportError::of_stream)?,
        uid: extended.uid.map_or_else(|| number(header.uid()), Ok)?,
        gid: extended.gid.map_or_else(|| number(header.gid()), Ok)?,
        modified: match extended.modified {
            Some(modified) => modified,
            None => i64::try_from(number(header.mtime())?).unwrap_or(i64::MAX),
        },
    };
    Ok(Member { path, kind, attributes, size: entry.size() })
}
