//! Writes an image from its first byte to its last: nothing is held but inodes and names.

use std::io::{self, Write};

use crate::builder::{Body, Builder, Id, ROOT};
use crate::format::{self, BLOCK, BLOCK_SIZE, Data, Inode, Kind, SUPERBLOCK_AT};
use crate::layout::{self, Layout, Place, TooLarge};

/// What is copied at a time, and between two words of progress.
const PIECE: usize = 128 * 1024;

/// An image that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its size, a multiple of 4096.
    pub bytes: u64,
    /// Files, directories and all else in it; what has several names counts once.
    pub inodes: u64,
}

/// How far writing an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Written so far.
    pub bytes: u64,
    /// Of the whole image.
    pub of: u64,
}

/// Why there is no image. What was written of it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// More than 16 TiB.
    #[error("the image would be larger than 16 TiB")]
    TooLarge,
    /// A file of the tree.
    #[error("failed to read `{path}`")]
    Read {
        /// In the image, with what is not printable escaped.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the tree gave fewer bytes than it was said to.
    #[error("`{path}` is shorter than it was before")]
    Short {
        /// In the image, with what is not printable escaped.
        path: String,
    },
    /// The image itself.
    #[error("failed to write the image")]
    Write(#[source] io::Error),
}

impl Builder<'_> {
    /// Writes the image. The same entries give the same bytes, in whichever order they were added. Each file is read once.
    ///
    /// # Errors
    /// Each variant of [`WriteError`].
    pub fn write(
        mut self,
        into: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Written, WriteError> {
        let layout = Layout::new(&self).map_err(|TooLarge| WriteError::TooLarge)?;
        let size = u64::from(layout.blocks()) * BLOCK;
        let mut output = Output { into, progress: Progress { bytes: 0, of: size }, tell: progress };

        output.pad_to(SUPERBLOCK_AT)?;
        let inodes = layout.order().len() as u64;
        // The root's inode is the first, so that its slot fits here.
        let root = u16::try_from(layout.place(ROOT).slot()).map_err(|_| WriteError::TooLarge)?;
        output.put(&format::superblock(root, inodes, layout.blocks()))?;

        for (number, id) in (1..).zip(layout.order()) {
            let place = layout.place(*id);
            output.pad_to(place.at)?;
            output.put(&self.inode(*id, place, number).bytes())?;
            if place.data == Data::Inline {
                self.put_data(*id, &layout, &mut output)?;
            }
        }
        for is_directory in [true, false] {
            for id in layout.order() {
                let directory = self.node(*id).kind() == Kind::Directory;
                if let Data::Blocks(first) = layout.place(*id).data
                    && directory == is_directory
                {
                    output.pad_to(u64::from(first) * BLOCK)?;
                    self.put_data(*id, &layout, &mut output)?;
                }
            }
        }
        output.pad_to(size)?;
        Ok(Written { bytes: size, inodes })
    }

    fn inode(&self, id: Id, place: &Place, number: u32) -> Inode {
        let node = self.node(id);
        Inode {
            kind: node.kind(),
            mode: node.attributes.mode,
            uid: node.attributes.uid,
            gid: node.attributes.gid,
            modified: node.attributes.modified,
            size: place.size,
            number,
            links: place.links,
            data: place.data,
        }
    }

    fn put_data(&mut self, id: Id, layout: &Layout, output: &mut Output<'_>) -> Result<(), WriteError> {
        if let Body::SymbolicLink(target) = &self.node(id).body {
            return output.put(target);
        }
        if let Some(listing) = layout::listing(self, id, layout.place(id).above) {
            return output.put(&listing.bytes(|id| (layout.place(id).slot(), self.node(id).kind())));
        }
        let Some(contents) = self.take_contents(id) else { return Ok(()) };
        let path = || self.path(id, layout);
        let mut left = contents.size();
        let mut reader = contents.open().map_err(|source| WriteError::Read { path: path(), source })?;
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        while left > 0 {
            let read = match io::Read::read(&mut reader, &mut piece) {
                Ok(0) => return Err(WriteError::Short { path: path() }),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(WriteError::Read { path: path(), source }),
            };
            output.put(piece.get(..read).unwrap_or_default())?;
            left -= read as u64;
        }
        Ok(())
    }

    /// One of the paths of a node, for people.
    fn path(&self, id: Id, layout: &Layout) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while at != ROOT {
            let above = layout.place(at).above;
            if let Body::Directory(children) = &self.node(above).body
                && let Some((name, _)) = children.iter().find(|(_, child)| **child == at)
            {
                names.push(name.escape_ascii().to_string());
            }
            at = above;
        }
        names.iter().rev().flat_map(|name| ["/", name]).collect()
    }
}

/// The image as far as it is written.
struct Output<'o> {
    into: &'o mut dyn Write,
    progress: Progress,
    tell: &'o mut dyn FnMut(Progress),
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.into.write_all(bytes).map_err(WriteError::Write)?;
        let before = self.progress.bytes;
        self.progress.bytes += bytes.len() as u64;
        if before / PIECE as u64 != self.progress.bytes / PIECE as u64
            || self.progress.bytes == self.progress.of
        {
            (self.tell)(self.progress);
        }
        Ok(())
    }

    /// Writes zeros up to there; what was laid out lies in the order in which it is written.
    fn pad_to(&mut self, end: u64) -> Result<(), WriteError> {
        const ZEROS: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];
        debug_assert!(self.progress.bytes <= end, "more was written than laid out");
        while self.progress.bytes < end {
            let length =
                usize::try_from(end - self.progress.bytes).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            self.put(ZEROS.get(..length).unwrap_or_default())?;
        }
        Ok(())
    }
}
