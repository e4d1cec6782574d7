//! The blocks of a directory: in each, its entries and then their names. Names are in one order over all blocks, since
//! Linux looks for one by halves.

use crate::builder::Id;
use crate::format::{self, BLOCK, BLOCK_SIZE, DIRENT_SIZE, Kind};

/// What stands in a directory, `.` and `..` included, in the order of the bytes of its names.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    entries: Vec<(&'a [u8], Id)>,
}

impl<'a> Listing<'a> {
    /// `own` is the directory, `above` the one that it is in.
    pub(crate) fn new(children: impl Iterator<Item = (&'a [u8], Id)>, own: Id, above: Id) -> Self {
        let mut entries: Vec<_> =
            [(&b"."[..], own), (&b".."[..], above)].into_iter().chain(children).collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        Self { entries }
    }

    /// Of all blocks; the last one counts as far as it is filled.
    pub(crate) fn size(&self) -> u64 {
        let mut blocks = self.blocks().peekable();
        let mut size = 0;
        while let Some(block) = blocks.next() {
            size += if blocks.peek().is_some() { BLOCK } else { filled(block) as u64 };
        }
        size
    }

    /// Its bytes: whole blocks but for the last. `place` gives the slot and the kind of an inode.
    pub(crate) fn bytes(&self, place: impl Fn(Id) -> (u64, Kind)) -> Vec<u8> {
        let mut bytes = Vec::new();
        for block in self.blocks() {
            // What is behind a block's last name is zero, which ends the name.
            bytes.resize(bytes.len().next_multiple_of(BLOCK_SIZE), 0);
            let mut name_at = block.len() * DIRENT_SIZE;
            for (name, id) in block {
                let (slot, kind) = place(*id);
                // A block is 4096 bytes, so that this fits.
                let at = u16::try_from(name_at).unwrap_or(u16::MAX);
                bytes.extend_from_slice(&format::dirent(slot, at, kind));
                name_at += name.len();
            }
            for (name, _) in block {
                bytes.extend_from_slice(name);
            }
        }
        bytes
    }

    /// The entries of each block: as many as it holds.
    fn blocks(&self) -> impl Iterator<Item = &[(&'a [u8], Id)]> {
        let mut left = self.entries.as_slice();
        std::iter::from_fn(move || {
            let mut filled = 0;
            let fits = |(name, _): &&(&[u8], Id)| {
                filled += DIRENT_SIZE + name.len();
                filled <= BLOCK_SIZE
            };
            let (block, rest) = left.split_at(left.iter().take_while(fits).count());
            left = rest;
            (!block.is_empty()).then_some(block)
        })
    }
}

fn filled(block: &[(&[u8], Id)]) -> usize {
    block.iter().map(|(name, _)| DIRENT_SIZE + name.len()).sum()
}
