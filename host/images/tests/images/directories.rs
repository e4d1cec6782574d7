//! Directories that are roots.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use mimobox_images::{
    ImportError, ImportOptions, LimitReached, Limits, MemberFault, Metadata, Skipped, SourceKind,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::packing::Tar;
use crate::shelf::Shelf;

fn import(shelf: &Shelf) -> Result<Metadata, ImportError> {
    shelf.import_path(&shelf.path("source"), &ImportOptions::default())
}

#[test]
fn a_directory_is_copied_with_modes_times_and_links() {
    let shelf = Shelf::new();
    let source = shelf.path("source");
    fs::create_dir_all(source.join("usr/bin")).unwrap();
    fs::write(source.join("usr/bin/sh"), "a shell").unwrap();
    fs::set_permissions(source.join("usr/bin/sh"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(source.join("usr/bin/sh"), source.join("usr/bin/ash")).unwrap();
    symlink("/outside/secret", source.join("link")).unwrap();
    let metadata = import(&shelf).unwrap();
    let copied = fs::metadata(shelf.root("usr/bin/ash")).unwrap();
    assert_eq!((copied.mode() & 0o7777, copied.nlink()), (0o751, 2));
    assert_eq!(copied.mtime(), fs::metadata(source.join("usr/bin/sh")).unwrap().mtime());
    assert_eq!(fs::read_link(shelf.root("link")).unwrap().to_str(), Some("/outside/secret"));
    assert_eq!((metadata.entries, metadata.bytes, metadata.altered.privileges), (5, 7, 1));
    assert_eq!(metadata.source.kind, SourceKind::Directory);
}

#[test]
fn a_directory_and_an_archive_of_it_are_the_same_image() {
    let shelf = Shelf::new();
    let source = shelf.path("source");
    fs::create_dir(source.join("etc")).unwrap();
    fs::set_permissions(source.join("etc"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(source.join("etc/passwd"), "root").unwrap();
    fs::set_permissions(source.join("etc/passwd"), fs::Permissions::from_mode(0o644)).unwrap();
    let tar = Tar::new().directory("etc").file("etc/passwd", "root").bytes();
    let of_directory = import(&shelf).unwrap();
    let of_archive = Shelf::new().import(&tar).unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!(of_directory.digest, of_archive.digest);
    } else {
        println!("skipped: the groups of a directory and an archive differ");
    }
}

#[test]
fn devices_pipes_and_sockets_are_left_out_and_counted() {
    let shelf = Shelf::new();
    let source = shelf.path("source");
    let _socket = UnixListener::bind(source.join("socket")).unwrap();
    mknodat(CWD, source.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let device = mknodat(CWD, source.join("null"), FileType::CharacterDevice, Mode::RWXU, 0x103).is_ok();
    let metadata = import(&shelf).unwrap();
    assert_eq!(metadata.skipped, Skipped { devices: device.into(), pipes: 1, sockets: 1, mounts: 0 });
    assert_eq!(metadata.entries, 0);
}

#[test]
fn another_file_system_is_not_entered() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    if !mounts.lines().any(|line| line.split(' ').nth(1) == Some("/dev/pts")) {
        println!("skipped: nothing is mounted at /dev/pts");
        return;
    }
    let shelf = Shelf::new();
    let metadata = shelf.import_path("/dev".as_ref(), &ImportOptions::default()).unwrap();
    assert!(metadata.skipped.mounts >= 1);
    assert_eq!(fs::read_dir(shelf.root("pts")).unwrap().count(), 0);
}

#[test]
fn a_directory_that_holds_the_store_is_refused() {
    let shelf = Shelf::new();
    let refused = shelf.import_path(&shelf.path(""), &ImportOptions::default());
    assert!(matches!(refused, Err(ImportError::HoldsStore)), "{refused:?}");
}

#[test]
fn a_directory_has_limits_as_archives_have() {
    let limits = Limits::default();
    let limited = |limits| {
        let shelf = Shelf::new();
        fs::create_dir_all(shelf.path("source/a/b/c")).unwrap();
        shelf.import_path(&shelf.path("source"), &ImportOptions { limits, ..ImportOptions::default() })
    };
    let entries = limited(Limits { entries: 2, ..limits });
    assert!(matches!(entries, Err(ImportError::Limit(LimitReached::Entries(2)))), "{entries:?}");
    let deep = limited(Limits { depth: 2, ..limits });
    assert!(matches!(deep, Err(ImportError::Member { fault: MemberFault::TooDeep(2), .. })), "{deep:?}");
}

#[test]
fn a_sparse_file_counts_whole() {
    let shelf = Shelf::new();
    fs::File::create(shelf.path("source/sparse")).unwrap().set_len(1 << 50).unwrap();
    let refused = shelf.import_path(&shelf.path("source"), &ImportOptions::default());
    assert!(matches!(refused, Err(ImportError::Limit(LimitReached::Bytes(_)))), "{refused:?}");
}

#[test]
fn a_source_that_is_neither_is_refused() {
    let refused = Shelf::new().import_path("/dev/null".as_ref(), &ImportOptions::default());
    assert!(matches!(refused, Err(ImportError::UnusableSource)), "{refused:?}");
}
