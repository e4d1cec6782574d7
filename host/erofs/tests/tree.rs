//! A directory of somebody unknown, taken into an image: what is left out, and what changes meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use mimobox_erofs::{Attributes, Builder, TreeError, WriteError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

mod reader;

fn taken(root: &Path) -> Builder<'_> {
    let mut builder = Builder::new();
    builder.add_tree(File::open(root).unwrap(), 1000, &mut |found| Some(found.attributes)).unwrap();
    builder
}

fn written(builder: Builder<'_>) -> Result<Vec<u8>, WriteError> {
    let mut image = Vec::new();
    builder.write(&mut image, &mut |_| ()).map(|_| image)
}

#[test]
fn what_is_left_out_takes_all_that_is_in_it_along() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("out/inner")).unwrap();
    fs::write(root.path().join("out/inner/file"), "").unwrap();
    fs::write(root.path().join("kept"), "").unwrap();
    let mut builder = Builder::new();
    let mut describe = |found: mimobox_erofs::Found<'_>| {
        (found.path != b"out").then_some(Attributes { uid: 7, gid: 8, ..found.attributes })
    };
    builder.add_tree(File::open(root.path()).unwrap(), 1000, &mut describe).unwrap();
    let found = reader::read(&written(builder).unwrap());
    assert!(found.keys().eq([&b""[..], b"kept"]));
    assert!(found.values().all(|node| (node.uid, node.gid) == (7, 8)));
}

#[test]
fn more_than_is_allowed_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(root.path().join(name), "").unwrap();
    }
    let take = |most| {
        Builder::new().add_tree(File::open(root.path()).unwrap(), most, &mut |found| Some(found.attributes))
    };
    take(3).unwrap();
    assert!(matches!(take(2), Err(TreeError::TooMany(2))));
}

#[test]
fn a_file_that_became_something_else_is_not_read() {
    for becomes in ["link", "pipe", "link above", "nothing", "another file"] {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("above")).unwrap();
        fs::create_dir_all(place.path().join("secret")).unwrap();
        fs::write(place.path().join("secret/file"), "x").unwrap();
        let file = root.join("above/file");
        fs::write(&file, "x").unwrap();
        let builder = taken(&root);
        fs::rename(&file, place.path().join("old")).unwrap();
        match becomes {
            "link" => symlink(place.path().join("secret/file"), &file).unwrap(),
            "pipe" => mknodat(CWD, &file, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            "link above" => {
                fs::remove_dir(root.join("above")).unwrap();
                symlink(place.path().join("secret"), root.join("above")).unwrap();
            }
            "another file" => fs::write(&file, "x").unwrap(),
            _ => {}
        }
        let image = written(builder);
        assert!(
            matches!(&image, Err(WriteError::Read { path, .. }) if path == "/above/file"),
            "{becomes}: {image:?}"
        );
    }
}
