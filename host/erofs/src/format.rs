//! The bytes of an image's structures, as Linux reads them: `fs/erofs/erofs_fs.h` and `Documentation/filesystems/erofs.rst`.
//! All numbers are little endian.

use crate::entry::Device;

/// A block. Linux wants it as large as a page at most.
pub(crate) const BLOCK_SIZE: usize = 4096;
/// The same, where it is part of an offset.
pub(crate) const BLOCK: u64 = BLOCK_SIZE as u64;
const BLOCK_BITS: u8 = 12;

/// Where the superblock is, and its size.
pub(crate) const SUPERBLOCK_AT: u64 = 1024;
pub(crate) const SUPERBLOCK_SIZE: usize = 128;
/// Inodes lie at multiples of this, and are known by how many of them lie before: `nid`.
pub(crate) const SLOT: u64 = 32;
/// An inode of the long form: with times, and sizes beyond 4 GiB.
pub(crate) const INODE_SIZE: usize = 64;
/// An entry of a directory, without its name.
pub(crate) const DIRENT_SIZE: usize = 12;
/// Linux takes no longer name.
pub(crate) const LONGEST_NAME: usize = 255;

const MAGIC: u32 = 0xE0F5_E1E2;
/// Inodes have the time of the last change. There is no checksum of the superblock: each mount would have to reckon it.
const COMPATIBLE_MTIME: u32 = 0x2;
/// In place of a block's number: there is none.
pub(crate) const NO_BLOCK: u32 = u32::MAX;

const LONG_FORM: u16 = 1;
const PLAIN: u16 = 0 << 1;
const INLINE: u16 = 2 << 1;

/// What an entry is, in an inode's mode and in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    CharacterDevice,
    BlockDevice,
    Pipe,
    Socket,
    SymbolicLink,
}

impl Kind {
    fn mode(self) -> u16 {
        match self {
            Self::File => 0o100_000,
            Self::Directory => 0o040_000,
            Self::CharacterDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
            Self::Pipe => 0o010_000,
            Self::Socket => 0o140_000,
            Self::SymbolicLink => 0o120_000,
        }
    }

    fn in_directory(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::CharacterDevice => 3,
            Self::BlockDevice => 4,
            Self::Pipe => 5,
            Self::Socket => 6,
            Self::SymbolicLink => 7,
        }
    }
}

/// Where an inode's data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// In blocks of its own from this one on.
    Blocks(u32),
    /// Right behind the inode, in its block.
    Inline,
    /// None: it is a device.
    Device(Device),
    /// None.
    Nothing,
}

/// An inode of the long form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inode {
    pub(crate) kind: Kind,
    /// The twelve bits of chmod(2).
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified: i64,
    pub(crate) size: u64,
    /// As stat(2) shows it to 32-bit programs.
    pub(crate) number: u32,
    pub(crate) links: u32,
    pub(crate) data: Data,
}

impl Inode {
    pub(crate) fn bytes(&self) -> [u8; INODE_SIZE] {
        let (layout, data) = match self.data {
            Data::Blocks(first) => (PLAIN, first),
            Data::Inline => (INLINE, NO_BLOCK),
            Data::Device(device) => (PLAIN, encode(device)),
            Data::Nothing => (PLAIN, NO_BLOCK),
        };
        let mut fields = Fields::new();
        fields.put((LONG_FORM | layout).to_le_bytes());
        fields.put([0; 2]); // extended attributes
        fields.put((self.kind.mode() | self.mode & 0o7777).to_le_bytes());
        fields.put([0; 2]);
        fields.put(self.size.to_le_bytes());
        fields.put(data.to_le_bytes());
        fields.put(self.number.to_le_bytes());
        fields.put(self.uid.to_le_bytes());
        fields.put(self.gid.to_le_bytes());
        fields.put(self.modified.to_le_bytes());
        fields.put([0; 4]); // nanoseconds
        fields.put(self.links.to_le_bytes());
        fields.whole()
    }
}

/// Linux's encoding of a device's numbers (`new_encode_dev`).
fn encode(Device { major, minor }: Device) -> u32 {
    minor & 0xff | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

/// An entry of a directory. `name_at` counts from the start of its block.
pub(crate) fn dirent(slot: u64, name_at: u16, kind: Kind) -> [u8; DIRENT_SIZE] {
    let mut fields = Fields::new();
    fields.put(slot.to_le_bytes());
    fields.put(name_at.to_le_bytes());
    fields.put([kind.in_directory(), 0]);
    fields.whole()
}

/// The superblock of an image without features, whose inodes count from its very start.
pub(crate) fn superblock(root: u16, inodes: u64, blocks: u32) -> [u8; SUPERBLOCK_SIZE] {
    let mut fields = Fields::new();
    fields.put(MAGIC.to_le_bytes());
    fields.put([0; 4]); // checksum
    fields.put(COMPATIBLE_MTIME.to_le_bytes());
    fields.put([BLOCK_BITS, 0]);
    fields.put(root.to_le_bytes());
    fields.put(inodes.to_le_bytes());
    fields.put([0; 12]); // time of the build
    fields.put(blocks.to_le_bytes());
    fields.whole()
}

/// A structure that is filled field by field; what is not filled is zero.
struct Fields<const SIZE: usize> {
    bytes: [u8; SIZE],
    filled: usize,
}

impl<const SIZE: usize> Fields<SIZE> {
    fn new() -> Self {
        Self { bytes: [0; SIZE], filled: 0 }
    }

    fn put<const FIELD: usize>(&mut self, field: [u8; FIELD]) {
        for (at, byte) in self.bytes.iter_mut().skip(self.filled).zip(field) {
            *at = byte;
        }
        self.filled += FIELD;
    }

    fn whole(self) -> [u8; SIZE] {
        debug_assert!(self.filled <= SIZE, "fields beyond the structure");
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_linux_reads_them() {
        let inode = Inode {
            kind: Kind::File,
            mode: 0o4755,
            uid: 0x1111_1111,
            gid: 0x2222_2222,
            modified: -1,
            size: 0x3333_3333_3333_3333,
            number: 0x4444_4444,
            links: 0x5555_5555,
            data: Data::Blocks(0x6666_6666),
        };
        let bytes = inode.bytes();
        assert_eq!(bytes[..8], [1, 0, 0, 0, 0xed, 0x89, 0, 0]);
        assert_eq!(bytes[8..16], [0x33; 8]);
        assert_eq!(bytes[16..20], [0x66; 4]);
        assert_eq!(bytes[20..24], [0x44; 4]);
        assert_eq!(bytes[24..28], [0x11; 4]);
        assert_eq!(bytes[28..32], [0x22; 4]);
        assert_eq!(bytes[32..40], [0xff; 8]);
        assert_eq!(bytes[44..48], [0x55; 4]);

        let superblock = superblock(36, 7, 9);
        assert_eq!(superblock[..4], [0xe2, 0xe1, 0xf5, 0xe0]);
        assert_eq!(superblock[12..16], [12, 0, 36, 0]);
        assert_eq!(superblock[16..24], 7_u64.to_le_bytes());
        assert_eq!(superblock[36..40], 9_u32.to_le_bytes());
    }

    #[test]
    fn large_device_numbers_are_encoded_as_linux_does() {
        assert_eq!(encode(Device { major: 1, minor: 3 }), 0x103);
        assert_eq!(encode(Device { major: 0xfff, minor: 0xf_ffff }), 0xffff_ffff);
        assert_eq!(encode(Device { major: 8, minor: 0x12345 }), 0x1230_0845);
    }
}
