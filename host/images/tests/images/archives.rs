//! Honest archives: what is in them is in the root.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use mimobox_images::{Altered, ImportOptions, Skipped, SourceKind};
use rustix::process::geteuid;
use tar::EntryType;

use crate::packing::{Tar, gzip, zstd};
use crate::shelf::Shelf;

fn small_root() -> Tar {
    Tar::new()
        .directory("./")
        .directory("./usr/")
        .directory("./usr/bin/")
        .file("./usr/bin/sh", "a shell")
        .symbolic_link("./bin", "usr/bin")
        .symbolic_link("./absolute", "/usr/bin")
        .hard_link("./usr/bin/ash", "./usr/bin/sh")
}

#[test]
fn a_root_is_imported_plain_or_compressed_and_is_the_same() {
    let plain = small_root().bytes();
    let mut digests = Vec::new();
    for archive in [gzip(&plain), zstd(&plain), plain] {
        let shelf = Shelf::new();
        let metadata = shelf.import(&archive).unwrap();
        assert_eq!(shelf.contents("bin/ash"), "a shell");
        assert_eq!(fs::read_link(shelf.root("absolute")).unwrap(), Path::new("/usr/bin"));
        assert_eq!(fs::metadata(shelf.root("usr/bin/sh")).unwrap().nlink(), 2);
        assert_eq!(fs::metadata(shelf.root("usr/bin/sh")).unwrap().mtime(), 1_000_000_000);
        assert_eq!((metadata.entries, metadata.bytes), (6, 7));
        assert_eq!(metadata.source.kind, SourceKind::Archive);
        digests.push(metadata.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn an_archive_is_taken_from_a_pipe() {
    let shelf = Shelf::new();
    let pipe = shelf.path("source/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let writer = std::thread::spawn({
        let (pipe, bytes) = (pipe.clone(), small_root().bytes());
        move || fs::write(pipe, bytes)
    });
    shelf.import_path(&pipe, &ImportOptions::default()).unwrap();
    writer.join().unwrap().unwrap();
    assert!(shelf.has("usr/bin/sh"));
}

#[test]
fn what_makes_a_root_another_one_makes_another_digest() {
    let digest = |tar: Tar| Shelf::new().import(&tar.bytes()).unwrap().digest;
    let one = digest(Tar::new().file("a", "x"));
    assert_eq!(
        one,
        digest(Tar::new().member(EntryType::Regular, "a", "", b"x", |header| header.set_mtime(5)))
    );
    let others = [
        Tar::new().file("b", "x"),
        Tar::new().file("a", "y"),
        Tar::new().directory("a"),
        Tar::new().symbolic_link("a", "x"),
        Tar::new().file("a", "x").directory("b"),
        Tar::new().member(EntryType::Regular, "a", "", b"x", |header| header.set_mode(0o600)),
    ];
    for other in others {
        assert_ne!(one, digest(other));
    }
}

#[test]
fn names_need_not_be_text() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().member(EntryType::Regular, b"\xff\xfe", "", b"x", |_| {}).bytes()).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    assert_eq!(fs::read(shelf.root("").join(name)).unwrap(), b"x");
}

#[test]
fn long_names_are_read_from_the_headers_before() {
    let shelf = Shelf::new();
    let path = "directory/".repeat(20) + "file";
    let gnu = Tar::new()
        .member(EntryType::GNULongName, "././@LongLink", "", path.as_bytes(), |_| {})
        .file("truncated", "gnu")
        .extended(&[
            ("path", "pax/\n"),
            ("mtime", "5.5"),
            ("SCHILY.xattr.security.capability", "\u{1}\n\u{2}"),
        ])
        .file("truncated", "pax")
        .extended(&[("linkpath", &path)])
        .hard_link("link", "truncated");
    shelf.import(&gnu.bytes()).unwrap();
    assert_eq!((shelf.contents(&path), shelf.contents("pax/\n")), ("gnu".into(), "pax".into()));
    assert_eq!(shelf.contents("link"), "gnu");
    assert_eq!(fs::metadata(shelf.root("pax/\n")).unwrap().mtime(), 5);
    assert!(!shelf.has("truncated"));
}

#[test]
fn devices_and_pipes_are_left_out_and_counted() {
    let shelf = Shelf::new();
    let tar =
        Tar::new().of_kind(b'3', "dev/null").of_kind(b'4', "dev/sda").of_kind(b'6', "pipe").file("a", "x");
    let metadata = shelf.import(&tar.bytes()).unwrap();
    assert_eq!(metadata.skipped, Skipped { devices: 2, pipes: 1, sockets: 0, mounts: 0 });
    assert_eq!(metadata.entries, 1);
    assert!(!shelf.has("dev") && !shelf.has("pipe"));
}

#[test]
fn privileges_are_dropped_and_counted() {
    let shelf = Shelf::new();
    let privileged =
        |tar: Tar, kind, path, mode| tar.member(kind, path, "", b"", |header| header.set_mode(mode));
    let tar = privileged(Tar::new(), EntryType::Regular, "su", 0o4755);
    let tar = privileged(tar, EntryType::Regular, "wall", 0o2755);
    let tar = privileged(tar, EntryType::Directory, "tmp", 0o1777);
    let metadata = shelf.import(&privileged(tar, EntryType::Directory, "mail", 0o2775).bytes()).unwrap();
    let mode = |path| fs::metadata(shelf.root(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("su"), mode("wall"), mode("tmp"), mode("mail")), (0o755, 0o755, 0o1777, 0o775));
    assert_eq!(metadata.altered.privileges, 3);
}

#[test]
fn the_root_is_open_to_all_whatever_its_source_says() {
    let shelf = Shelf::new();
    let tar = Tar::new().member(EntryType::Directory, "./", "", b"", |header| header.set_mode(0o700));
    shelf.import(&tar.bytes()).unwrap();
    assert_eq!(fs::metadata(shelf.root("")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn owners_are_kept_by_root_as_far_as_a_sandbox_has_them() {
    if !geteuid().is_root() {
        println!("skipped: only root can give files away");
        return;
    }
    let shelf = Shelf::new();
    let owned = |tar: Tar, path, uid, gid| {
        tar.member(EntryType::Regular, path, "", b"", |header| {
            header.set_uid(uid);
            header.set_gid(gid);
        })
    };
    let tar = owned(owned(Tar::new(), "kept", 1000, 65_535), "beyond", 65_536, 1 << 40);
    let metadata = shelf.import(&tar.bytes()).unwrap();
    let owner =
        |path| fs::metadata(shelf.root(path)).map(|metadata| (metadata.uid(), metadata.gid())).unwrap();
    assert_eq!((owner("kept"), owner("beyond")), ((1000, 65_535), (65_534, 65_534)));
    assert_eq!(metadata.altered, Altered { privileges: 0, owners: 1 });
}

#[test]
fn a_name_that_looks_like_a_whiteout_is_a_file_of_a_plain_root() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("a", "x").file(".wh.a", "y").bytes()).unwrap();
    assert!(shelf.has("a") && shelf.has(".wh.a"));
}
