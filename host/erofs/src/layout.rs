//! Where everything will lie, known before the first byte is written.
//!
//! ```text
//! 0      1024         1152
//! │ zero │ superblock │ inodes, small contents behind theirs │ directories │ files │   in blocks of 4096 bytes
//! ```
//!
//! Inodes follow each other as a walk through the tree by its levels meets them, so what is in one directory lies together.

use std::collections::VecDeque;

use crate::builder::{Body, Builder, Id, ROOT};
use crate::directory::Listing;
use crate::entry::Contents;
use crate::format::{BLOCK, Data, INODE_SIZE, SLOT, SUPERBLOCK_AT, SUPERBLOCK_SIZE};

/// Contents up to this size lie behind their inode: whoever looks it up has read them with it. Two such inodes fill a block,
/// so little is lost where one does not fit in any more.
const INLINE: u64 = BLOCK / 2 - INODE_SIZE as u64;

/// Of a whole image.
#[derive(Debug)]
pub(crate) struct Layout {
    /// By the ids of the nodes.
    places: Vec<Place>,
    /// Nodes in the order of their inodes.
    order: Vec<Id>,
    blocks: u32,
}

/// Of one inode and its data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Of the inode, from the image's start.
    pub(crate) at: u64,
    /// Of the data.
    pub(crate) size: u64,
    pub(crate) data: Data,
    /// How many names lead to it, as stat(2) counts them.
    pub(crate) links: u32,
    /// The directory that it is in; of what is no directory, one of them.
    pub(crate) above: Id,
}

impl Place {
    /// By which directories name the inode.
    pub(crate) fn slot(&self) -> u64 {
        self.at / SLOT
    }

    /// What it takes from `at` on.
    fn length(&self) -> u64 {
        INODE_SIZE as u64 + if self.data == Data::Inline { self.size } else { 0 }
    }
}

/// The image would have more blocks than 32 bits can count: 16 TiB.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl Layout {
    pub(crate) fn new(builder: &Builder<'_>) -> Result<Self, TooLarge> {
        let (mut places, order) = walk(builder);
        let mut end = SUPERBLOCK_AT + SUPERBLOCK_SIZE as u64;
        for id in &order {
            let place = &mut places[id.0];
            let length = place.length();
            if end % BLOCK + length > BLOCK {
                end = end.next_multiple_of(BLOCK);
            }
            place.at = end;
            end = (end + length).next_multiple_of(SLOT);
        }

        let mut block = end.div_ceil(BLOCK);
        for is_directory in [true, false] {
            for id in &order {
                let place = &mut places[id.0];
                let directory = matches!(builder.node(*id).body, Body::Directory(_));
                if directory == is_directory && matches!(place.data, Data::Blocks(_)) {
                    place.data = Data::Blocks(u32::try_from(block).map_err(|_| TooLarge)?);
                    block = block.saturating_add(place.size.div_ceil(BLOCK));
                }
            }
        }
        Ok(Self { places, order, blocks: u32::try_from(block).map_err(|_| TooLarge)? })
    }

    pub(crate) fn place(&self, id: Id) -> &Place {
        &self.places[id.0]
    }

    /// In the order of their inodes.
    pub(crate) fn order(&self) -> &[Id] {
        &self.order
    }

    /// Of the whole image.
    pub(crate) fn blocks(&self) -> u32 {
        self.blocks
    }
}

/// Directories as they are written.
pub(crate) fn listing<'b>(builder: &'b Builder<'_>, id: Id, above: Id) -> Option<Listing<'b>> {
    let Body::Directory(children) = &builder.node(id).body else { return None };
    Some(Listing::new(children.iter().map(|(name, child)| (name.as_slice(), *child)), id, above))
}

/// Meets every node once, level by level. Where it lies is not said yet.
fn walk(builder: &Builder<'_>) -> (Vec<Place>, Vec<Id>) {
    let unmet = Place { at: 0, size: 0, data: Data::Nothing, links: 0, above: ROOT };
    let mut places = vec![unmet; builder.len()];
    let mut order = vec![ROOT];
    let mut directories = VecDeque::from([ROOT]);
    places[ROOT.0] = measure(builder, ROOT, ROOT);
    while let Some(id) = directories.pop_front() {
        let Body::Directory(children) = &builder.node(id).body else { continue };
        for child in children.values() {
            if matches!(builder.node(*child).body, Body::Directory(_)) {
                directories.push_back(*child);
            } else if places[child.0].links > 0 {
                continue; // By another name already.
            }
            places[child.0] = measure(builder, *child, id);
            order.push(*child);
        }
    }
    (places, order)
}

fn measure(builder: &Builder<'_>, id: Id, above: Id) -> Place {
    let node = builder.node(id);
    let (size, links) = match &node.body {
        Body::Directory(children) => {
            let is_directory = |child: &&Id| matches!(builder.node(**child).body, Body::Directory(_));
            let below = children.values().filter(is_directory).count();
            let size = listing(builder, id, above).map_or(0, |listing| listing.size());
            (size, u32::try_from(below).unwrap_or(u32::MAX).saturating_add(2))
        }
        Body::File(contents) => (contents.as_ref().map_or(0, Contents::size), node.names),
        Body::SymbolicLink(target) => (target.len() as u64, node.names),
        Body::Special(..) => (0, node.names),
    };
    let data = match &node.body {
        Body::Special(_, Some(device)) => Data::Device(*device),
        _ if size == 0 => Data::Nothing,
        _ if size <= INLINE => Data::Inline,
        // Which block is known when all inodes lie.
        _ => Data::Blocks(0),
    };
    Place { at: 0, size, data, links, above }
}
