//! What goes into an image comes out of it, by a reader that shares nothing with the writer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeMap;
use std::io;

use mimobox_erofs::{Attributes, Builder, Contents, Device, Entry, Progress, WriteError};

mod reader;

/// What is at a path, as a test knows it.
#[derive(Clone, Debug)]
enum Known {
    Directory,
    File(Vec<u8>),
    Link(Vec<u8>),
    Device(Device),
    Pipe,
}

#[derive(Clone, Debug, Default)]
struct Model {
    entries: BTreeMap<Vec<u8>, (Attributes, KnownOr)>,
}

#[derive(Clone, Debug)]
enum KnownOr {
    Is(Known),
    /// Another name of what is at this path.
    Same(Vec<u8>),
}

impl Model {
    fn put(&mut self, path: &[u8], attributes: Attributes, known: Known) {
        self.entries.insert(path.to_vec(), (attributes, KnownOr::Is(known)));
    }

    /// The image, its entries added in an order that `random` chooses.
    fn image(&self, random: &mut Random) -> Vec<u8> {
        let mut order: Vec<_> = self.entries.iter().collect();
        random.shuffle(&mut order);
        // What a link leads to has to be there.
        order.sort_by_key(|(_, (_, known))| matches!(known, KnownOr::Same(_)));
        let mut builder = Builder::new();
        for (path, (attributes, known)) in order {
            let entry = match known {
                KnownOr::Same(of) => {
                    builder.link(path, of).unwrap();
                    continue;
                }
                KnownOr::Is(Known::Directory) => Entry::Directory,
                KnownOr::Is(Known::File(data)) => Entry::File(Contents::bytes(data)),
                KnownOr::Is(Known::Link(target)) => Entry::SymbolicLink(target.clone()),
                KnownOr::Is(Known::Device(device)) => Entry::CharacterDevice(*device),
                KnownOr::Is(Known::Pipe) => Entry::Pipe,
            };
            builder.add(path, *attributes, entry).unwrap();
        }
        written(builder)
    }

    /// Holds an image against it.
    fn check(&self, image: &[u8]) {
        let found = reader::read(image);
        assert!(found.keys().filter(|path| !path.is_empty()).eq(self.entries.keys()));
        for (path, (attributes, known)) in &self.entries {
            let node = &found[path];
            let (known, attributes) = match known {
                KnownOr::Is(known) => (known, attributes),
                KnownOr::Same(of) => {
                    assert_eq!(node.inode, found[of].inode);
                    let (attributes, KnownOr::Is(known)) = &self.entries[of] else {
                        panic!("a link to a link")
                    };
                    (known, attributes)
                }
            };
            let is = (node.mode & 0o7777, node.uid, node.gid, node.modified);
            assert_eq!(is, (attributes.mode, attributes.uid, attributes.gid, attributes.modified));
            match known {
                Known::Directory => assert_eq!(node.links, 2 + self.directories_in(path)),
                Known::File(data) | Known::Link(data) => assert_eq!(&node.data, data),
                Known::Device(device) => assert_eq!(node.device, device.minor | device.major << 8),
                Known::Pipe => assert_eq!(node.mode >> 12, 1),
            }
            if !matches!(known, Known::Directory) {
                let inode = node.inode;
                assert_eq!(node.links as usize, found.values().filter(|node| node.inode == inode).count());
            }
        }
    }

    fn directories_in(&self, path: &[u8]) -> u32 {
        let is_in = |inner: &&Vec<u8>| {
            inner
                .strip_prefix(path)
                .and_then(|rest| rest.strip_prefix(b"/"))
                .is_some_and(|rest| !rest.contains(&b'/'))
        };
        let count = self
            .entries
            .iter()
            .filter(|(inner, (_, known))| is_in(inner) && matches!(known, KnownOr::Is(Known::Directory)));
        u32::try_from(count.count()).unwrap()
    }
}

/// xorshift: the same trees at every run, so that a failure can be looked at.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn size(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.size(last as u64 + 1);
            items.swap(last, other);
        }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }

    fn name(&mut self) -> Vec<u8> {
        let length = if self.below(20) == 0 { 255 } else { 1 + self.size(24) };
        let name =
            self.bytes(length).into_iter().map(|byte| if matches!(byte, 0 | b'/') { b'!' } else { byte });
        Some(name.collect())
            .filter(|name: &Vec<u8>| !matches!(name.as_slice(), b"." | b".."))
            .unwrap_or(b"_".to_vec())
    }

    fn attributes(&mut self) -> Attributes {
        Attributes {
            mode: u16::try_from(self.below(0o10000)).unwrap(),
            uid: u32::try_from(self.below(1 << 32)).unwrap(),
            gid: u32::try_from(self.below(1 << 32)).unwrap(),
            modified: i64::try_from(self.below(1 << 34)).unwrap() - (1 << 32),
        }
    }

    /// Sizes around those at which the layout changes.
    fn data(&mut self) -> Vec<u8> {
        let around = [0, 64, 1984, 4032, 4096, 8192][self.size(6)] + self.size(5);
        self.bytes(around.saturating_sub(2))
    }

    fn model(&mut self) -> Model {
        let mut model = Model::default();
        let mut directories = vec![Vec::new()];
        let mut files = Vec::new();
        for _ in 0..self.below(300) {
            let above = &directories[self.size(directories.len() as u64)];
            let name = self.name();
            let path = if above.is_empty() { name } else { [&above[..], b"/", &name].concat() };
            if model.entries.contains_key(&path) {
                continue;
            }
            let attributes = self.attributes();
            let known = match self.below(8) {
                0 => {
                    directories.push(path.clone());
                    Known::Directory
                }
                1 => {
                    let longest = if self.below(4) == 0 { 4095 } else { 60 };
                    let length = 1 + self.size(longest);
                    Known::Link(self.bytes(length).into_iter().map(|byte| byte.max(1)).collect())
                }
                2 => Known::Device(Device { major: self.below(4096).try_into().unwrap(), minor: 3 }),
                3 => Known::Pipe,
                4 if !files.is_empty() => {
                    let of: &Vec<u8> = &files[self.size(files.len() as u64)];
                    model.entries.insert(path, (attributes, KnownOr::Same(of.clone())));
                    continue;
                }
                _ => {
                    files.push(path.clone());
                    Known::File(self.data())
                }
            };
            model.put(&path, attributes, known);
        }
        model
    }
}

fn written(builder: Builder<'_>) -> Vec<u8> {
    let mut image = Vec::new();
    let mut last = None;
    let written = builder.write(&mut image, &mut |progress| last = Some(progress)).unwrap();
    assert_eq!(written.bytes, image.len() as u64);
    assert_eq!(last, Some(Progress { bytes: written.bytes, of: written.bytes }));
    image
}

#[test]
fn random_trees_come_out_as_they_went_in_and_their_order_does_not_matter() {
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    for _ in 0..200 {
        let model = random.model();
        let image = model.image(&mut random);
        model.check(&image);
        assert!(image == model.image(&mut random), "two orders gave two images");
    }
}

#[test]
fn an_empty_image_is_one_block() {
    let image = written(Builder::new());
    assert_eq!(image.len(), 4096);
    assert_eq!(reader::read(&image).len(), 1);
}

#[test]
fn a_directory_of_many_names_takes_several_blocks_and_keeps_its_order() {
    let mut builder = Builder::new();
    for number in 0..100_000_u32 {
        let path = format!("{:02}/{number}", number % 7);
        builder.add(path.as_bytes(), Attributes::of_root(0o644), Entry::File(Contents::bytes("x"))).unwrap();
    }
    // Before `.` by its bytes.
    builder.add(b"00/!", Attributes::of_root(0o644), Entry::Pipe).unwrap();
    assert_eq!(reader::read(&written(builder)).len(), 100_000 + 7 + 2);
}

#[test]
fn a_file_that_became_shorter_is_no_image_and_one_that_grew_is_cut() {
    let image = |size| {
        let mut builder = Builder::new();
        let contents = Contents::reader(size, &[b'x'; 100][..]);
        builder.add(b"a/\x01", Attributes::of_root(0o644), Entry::File(contents)).unwrap();
        let mut image = Vec::new();
        builder.write(&mut image, &mut |_| ()).map(|_| image)
    };
    let short = image(101).unwrap_err();
    assert!(matches!(&short, WriteError::Short { path } if path == "/a/\\x01"), "{short}");
    assert_eq!(reader::read(&image(7).unwrap())[&b"a/\x01"[..]].data, b"xxxxxxx");
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let mut builder = Builder::new();
    let contents = Contents::deferred(5, || Err(io::ErrorKind::NotFound.into()));
    builder.add(b"gone", Attributes::of_root(0o644), Entry::File(contents)).unwrap();
    let unread = builder.write(&mut Vec::new(), &mut |_| ()).unwrap_err();
    assert!(matches!(&unread, WriteError::Read { path, .. } if path == "/gone"), "{unread}");

    let mut full = [0; 100];
    let unwritten = Builder::new().write(&mut &mut full[..], &mut |_| ()).unwrap_err();
    assert!(matches!(unwritten, WriteError::Write(_)), "{unwritten}");
}

#[test]
fn an_image_beyond_the_format_is_refused_before_anything_is_written() {
    let mut builder = Builder::new();
    let contents = Contents::deferred(17 << 40, || Ok(Box::new(io::repeat(0))));
    builder.add(b"huge", Attributes::of_root(0o644), Entry::File(contents)).unwrap();
    let mut image = Vec::new();
    assert!(matches!(builder.write(&mut image, &mut |_| ()), Err(WriteError::TooLarge)));
    assert!(image.is_empty());
}
