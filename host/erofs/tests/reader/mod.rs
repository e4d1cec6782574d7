//! Reads an image as the format's documentation says, and refuses what Linux would refuse. It shares nothing with the writer.

use std::collections::BTreeMap;

const BLOCK: usize = 4096;

/// What an inode says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// With the bits that say what it is.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified: i64,
    pub(crate) links: u32,
    pub(crate) inode: u64,
    /// Of a file or a symbolic link.
    pub(crate) data: Vec<u8>,
    /// Of a device.
    pub(crate) device: u32,
}

/// All that is in an image by its path; the root's is empty.
pub(crate) fn read(image: &[u8]) -> BTreeMap<Vec<u8>, Node> {
    assert_eq!(image.len() % BLOCK, 0);
    let superblock = &image[1024..1152];
    assert_eq!(u32_at(superblock, 0), 0xE0F5_E1E2);
    assert_eq!(superblock[12], 12);
    assert_eq!(u32_at(superblock, 36) as usize * BLOCK, image.len());
    assert_eq!(u32_at(superblock, 80), 0, "an image without features that Linux could lack");
    let root = u64::from(u16_at(superblock, 14));

    let mut found = BTreeMap::new();
    let mut directories = vec![(Vec::new(), root, root)];
    while let Some((path, inode, above)) = directories.pop() {
        let (node, data) = node(image, inode);
        assert_eq!(node.mode & 0o170_000, 0o040_000);
        let entries = entries(&data);
        assert!(entries.is_sorted_by(|(one, ..), (other, ..)| one < other), "names are in order");
        let of = |name: &[u8]| entries.iter().find(|(entry, ..)| entry == name).unwrap().1;
        assert_eq!((of(b"."), of(b"..")), (inode, above));
        for (name, child, kind) in entries {
            if matches!(name.as_slice(), b"." | b"..") {
                continue;
            }
            let inner = if path.is_empty() { name } else { [&path[..], b"/", &name].concat() };
            let (mut node, data) = self::node(image, child);
            let expected = match node.mode >> 12 {
                0o10 => 1,
                0o04 => 2,
                0o02 => 3,
                0o06 => 4,
                0o01 => 5,
                0o14 => 6,
                0o12 => 7,
                other => panic!("{other:o} is no kind"),
            };
            assert_eq!(kind, expected);
            match kind {
                2 => directories.push((inner, child, inode)),
                _ => {
                    node.data = data;
                    assert!(found.insert(inner, node).is_none());
                }
            }
        }
        assert!(found.insert(path, node).is_none());
    }
    let inodes: std::collections::BTreeSet<u64> = found.values().map(|node| node.inode).collect();
    assert_eq!(u64_at(superblock, 16), inodes.len() as u64);
    found
}

fn node(image: &[u8], inode: u64) -> (Node, Vec<u8>) {
    let at = usize::try_from(inode).unwrap() * 32;
    let bytes = &image[at..at + 64];
    let format = u16_at(bytes, 0);
    assert_eq!(format & 1, 1, "the long form");
    assert_eq!(u16_at(bytes, 2), 0, "no extended attributes");
    let mode = u16_at(bytes, 4);
    let size = usize::try_from(u64_at(bytes, 8)).unwrap();
    let union = u32_at(bytes, 16);
    let is_special = !matches!(mode >> 12, 0o10 | 0o04 | 0o12);
    let data = match format >> 1 {
        _ if is_special || size == 0 => Vec::new(),
        0 => image[union as usize * BLOCK..][..size].to_vec(),
        2 => {
            assert!(size < BLOCK && at % BLOCK + 64 + size <= BLOCK, "inline data crosses no block");
            image[at + 64..][..size].to_vec()
        }
        other => panic!("layout {other}"),
    };
    let node = Node {
        mode,
        uid: u32_at(bytes, 24),
        gid: u32_at(bytes, 28),
        modified: u64_at(bytes, 32).cast_signed(),
        links: u32_at(bytes, 44),
        inode,
        data: Vec::new(),
        device: if is_special { union } else { 0 },
    };
    (node, data)
}

fn entries(data: &[u8]) -> Vec<(Vec<u8>, u64, u8)> {
    let mut entries = Vec::new();
    for block in data.chunks(BLOCK) {
        let count = usize::from(u16_at(block, 8)) / 12;
        assert!(count > 0 && count * 12 < block.len());
        let name_at = |entry: usize| usize::from(u16_at(block, entry * 12 + 8));
        for entry in 0..count {
            let end = if entry + 1 < count { name_at(entry + 1) } else { block.len() };
            let name = &block[name_at(entry)..end];
            let name = name.split(|byte| *byte == 0).next().unwrap();
            assert!((1..=255).contains(&name.len()));
            entries.push((name.to_vec(), u64_at(block, entry * 12), block[entry * 12 + 10]));
        }
    }
    entries
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
