//! One tar stream into the root: a plain archive, or one layer upon the ones below it.

use std::fs::File;
use std::io::{Read, Write};

use super::error::{ArchiveFault, ImportError, MemberFault};
use super::limits::Bounded;
use super::members::{self, Kind, Member};
use super::path::MemberPath;
use super::touched::Touched;
use super::tree::Tree;

/// A file of this name and another says that the other is not there any more (OCI image specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// Says that nothing of the lower layers is left in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What AUFS, which whiteouts come from, kept for itself.
const AUFS: &[u8] = b".wh..wh.";
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// What whiteouts mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whiteouts {
    /// They remove.
    Obeyed,
    /// They are files like any other.
    Plain,
}

/// Puts all members into the tree. Gives the stream back, read as far as the archive goes.
pub(crate) fn apply<'a, R: Read>(
    tree: &mut Tree<'_>,
    stream: Bounded<'a, R>,
    whiteouts: Whiteouts,
) -> Result<Bounded<'a, R>, ImportError> {
    let limits = *tree.budget.limits();
    let mut layer = Layer { tree, touched: Touched::default(), chunk: vec![0; CHUNK] };
    members::for_each(stream, &limits, |member, contents| match (whiteouts, Mark::of(&member.path)) {
        (Whiteouts::Obeyed, Some(mark)) => layer.obey(&member.path, &mark),
        _ => layer.put(&member, contents),
    })
}

struct Layer<'t, 'b> {
    tree: &'t mut Tree<'b>,
    touched: Touched,
    chunk: Vec<u8>,
}

/// What a name that begins as a whiteout's asks for.
enum Mark {
    Hide(MemberPath),
    HideContents(MemberPath),
    Nothing,
    Senseless,
}

impl Mark {
    /// None: an ordinary path.
    fn of(path: &MemberPath) -> Option<Self> {
        let (directory, name) = path.split()?;
        let inside = |name: &[u8]| MemberPath::default().join(directory).join(name);
        if name == OPAQUE {
            return Some(Self::HideContents(MemberPath::default().join(directory)));
        }
        if path.bytes().split(|byte| *byte == b'/').any(|name| name.starts_with(AUFS)) {
            return Some(Self::Nothing);
        }
        Some(match name.strip_prefix(WHITEOUT)? {
            b"" | b"." | b".." => Self::Senseless,
            hidden => Self::Hide(inside(hidden)),
        })
    }
}

impl Layer<'_, '_> {
    fn obey(&mut self, path: &MemberPath, mark: &Mark) -> Result<(), ImportError> {
        self.tree.budget.take_entry()?;
        match mark {
            Mark::Hide(hidden) => self.tree.hide(hidden, &self.touched),
            Mark::HideContents(directory) => self.tree.hide_contents(directory, &self.touched),
            Mark::Nothing => Ok(()),
            Mark::Senseless => Err(path.fault(MemberFault::Whiteout)),
        }
    }

    fn put(&mut self, member: &Member, contents: &mut dyn Read) -> Result<(), ImportError> {
        let Member { path, kind, attributes, size } = member;
        let Self { tree, touched, chunk } = self;
        match kind {
            Kind::Directory => touched.directory(path, &mut tree.budget)?,
            _ => touched.other(path, &mut tree.budget)?,
        }
        match kind {
            Kind::Directory => tree.directory(path, *attributes),
            Kind::SymbolicLink(target) => tree.symbolic_link(path, target, *attributes),
            Kind::HardLink(target) => tree.hard_link(path, target),
            Kind::Device => {
                tree.skipped.devices += 1;
                Ok(())
            }
            Kind::Pipe => {
                tree.skipped.pipes += 1;
                Ok(())
            }
            Kind::File => {
                let mut file = tree.file(path, *attributes, *size)?;
                copy(path, contents, &mut file.contents, *size, chunk)?;
                file.finish().map_err(|fault| path.fault(fault))
            }
        }
    }
}

fn copy(
    path: &MemberPath,
    contents: &mut dyn Read,
    file: &mut File,
    size: u64,
    chunk: &mut [u8],
) -> Result<(), ImportError> {
    let mut copied = 0;
    loop {
        let read = contents.read(chunk).map_err(ImportError::of_stream)?;
        if read == 0 {
            break;
        }
        let part = chunk.get(..read).unwrap_or_default();
        file.write_all(part).map_err(|error| path.fault(MemberFault::Write(error)))?;
        copied += read as u64;
    }
    if copied == size { Ok(()) } else { Err(ArchiveFault::Truncated.into()) }
}
