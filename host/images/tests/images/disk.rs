//! Images as disks: made once, kept beside their roots, and read by Linux itself where that can be asked.
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::thread;

use mimobox_images::{Image, ImageStore};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use tempfile::NamedTempFile;

use crate::oci::{Layout, layer};
use crate::packing::Tar;
use crate::shelf::{NAME, Shelf};

fn open(store: &ImageStore) -> Image {
    store.open_root(&NAME.parse().unwrap()).unwrap().unwrap()
}

/// Makes the disk or finds it. Gives it, and whether it was made.
fn disk(image: &Image) -> (File, bool) {
    let mut made = false;
    let disk = image.open_disk(&mut |_| made = true).unwrap();
    (disk, made)
}

/// Mounts an image from its file: as root, and from Linux 6.12 on. None, with the reason said, elsewhere.
fn mount(disk: &mut File) -> Option<(OwnedFd, PathBuf)> {
    // No file in memory can be mounted, and the store of these tests is there.
    let mut copy = NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    io::copy(disk, &mut copy).unwrap();
    let mounted = || {
        let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", copy.path())?;
        fsconfig_set_flag(&context, "ro")?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
    };
    match mounted() {
        Ok(root) => {
            let path = format!("/proc/self/fd/{}/", root.as_raw_fd()).into();
            Some((root, path))
        }
        Err(error) => {
            let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!ci, "failed to mount an image: {error}");
            eprintln!("skipped: this machine mounts no image from a file: {error}");
            None
        }
    }
}

#[test]
fn a_disk_is_made_once_and_goes_with_its_image() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("a", "x").bytes()).unwrap();
    let image = open(&shelf.store);
    let (first, made) = disk(&image);
    assert!(made);
    let (second, made) = disk(&open(&shelf.store));
    assert!(!made);
    assert_eq!(first.metadata().unwrap().ino(), second.metadata().unwrap().ino());
    let mut magic = [0; 4];
    first.read_exact_at(&mut magic, 1024).unwrap();
    assert_eq!(magic, [0xe2, 0xe1, 0xf5, 0xe0]);
    drop(image);
    shelf.store.remove(&NAME.parse().unwrap()).unwrap();
    assert_eq!(fs::read_dir(shelf.path("store")).unwrap().count(), 0);
}

#[test]
fn of_many_who_want_a_disk_one_makes_it() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("large", vec![7; 3_000_000]).bytes()).unwrap();
    let made = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| disk(&open(&shelf.store)).1)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
    });
    assert_eq!(made, 1);
    let mut left: Vec<_> = fs::read_dir(shelf.path("store").join(NAME))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["disk-1.erofs", "image.json", "root"]);
}

#[test]
fn what_a_dead_maker_left_is_made_anew() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("a", "x").bytes()).unwrap();
    fs::write(shelf.path("store").join(NAME).join("making.erofs"), [7; 100_000]).unwrap();
    let (mut file, made) = disk(&open(&shelf.store));
    assert!(made);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() < 100_000 && !bytes.contains(&7), "something of the old file is left");
}

#[test]
fn linux_finds_what_the_layers_came_to() {
    let shelf = Shelf::new();
    let mut layout = Layout::new();
    let lower = Tar::new().file("a/b", "lower").file("gone", "lower").symbolic_link("link", "a/b");
    let upper = Tar::new().file("a/new", "upper").file(".wh.gone", "").hard_link("second", "a/new");
    let manifest = layout.image(&[layer(lower), layer(upper)]);
    shelf.import(&layout.index(&[manifest]).archive()).unwrap();
    let (mut disk, _) = disk(&open(&shelf.store));
    let Some((_mounted, root)) = mount(&mut disk) else { return };
    let mut names: Vec<_> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["a", "link", "second"]);
    assert_eq!(fs::read_to_string(root.join("a/b")).unwrap(), "lower");
    assert_eq!(fs::read_to_string(root.join("second")).unwrap(), "upper");
    assert_eq!(fs::metadata(root.join("second")).unwrap().nlink(), 2);
    assert_eq!(fs::read_link(root.join("link")).unwrap(), PathBuf::from("a/b"));
    for path in ["a", "a/b", "second"] {
        let (stored, found) =
            (fs::metadata(shelf.root(path)).unwrap(), fs::metadata(root.join(path)).unwrap());
        let described = |of: &fs::Metadata| (of.mode(), of.uid(), of.gid(), of.mtime());
        assert_eq!(described(&stored), described(&found), "{path}");
    }
}
