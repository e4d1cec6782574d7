//! Archives made to do harm: each is refused for its own reason, and leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mimobox_images::{ArchiveFault, ImportError, ImportOptions, LimitReached, Limits, MemberFault};
use tar::EntryType;

use crate::packing::{Tar, gzip, zstd};
use crate::shelf::Shelf;

/// What is wrong with the one member that is refused.
#[track_caller]
fn fault(tar: Tar) -> MemberFault {
    match Shelf::new().import(&tar.bytes()) {
        Err(ImportError::Member { fault, .. }) => fault,
        other => panic!("not refused for a member: {other:?}"),
    }
}

#[track_caller]
fn damage(archive: &[u8]) -> ArchiveFault {
    match Shelf::new().import(archive) {
        Err(ImportError::Archive(fault)) => fault,
        other => panic!("not refused as an archive: {other:?}"),
    }
}

#[track_caller]
fn reached(archive: &[u8], limits: Limits) -> LimitReached {
    let options = ImportOptions { limits, ..ImportOptions::default() };
    match Shelf::new().import_with(archive, &options) {
        Err(ImportError::Limit(reached)) => reached,
        other => panic!("not refused for its size: {other:?}"),
    }
}

#[test]
fn a_path_that_leads_upwards_is_refused() {
    for path in ["../outside/planted", "a/../../outside/planted", "..", "a/.."] {
        assert!(matches!(fault(Tar::new().file(path, "x")), MemberFault::Parent), "{path}");
    }
}

#[test]
fn an_absolute_path_is_refused() {
    assert!(matches!(fault(Tar::new().file("/etc/planted", "x")), MemberFault::Absolute));
}

#[test]
fn a_link_to_the_outside_is_followed_within_the_root_alone() {
    let shelf = Shelf::new();
    let outside = shelf.path("outside");
    let outside = outside.to_str().unwrap();
    let tar = Tar::new()
        .directory("up")
        .symbolic_link("up/absolute", outside)
        .symbolic_link("up/relative", "../../../../../../outside")
        .directory("outside")
        .file("up/relative/planted", "x")
        .bytes();
    shelf.import(&tar).unwrap();
    assert_eq!(shelf.contents("outside/planted"), "x", "the image's own folder of that name");
    let tar = Tar::new().symbolic_link("out", outside).file("out/planted", "x");
    assert!(matches!(fault(tar), MemberFault::NotInDirectory), "the image has no such folder");
}

#[test]
fn a_file_does_not_write_through_a_link_in_its_place() {
    let shelf = Shelf::new();
    let secret = shelf.path("outside/secret");
    let tar = Tar::new().symbolic_link("a", secret.to_str().unwrap()).directory("b").file("b/../a", "x");
    assert!(shelf.import(&tar.bytes()).is_err());
    let tar = Tar::new().symbolic_link("a", secret.to_str().unwrap()).file("a", "x");
    assert!(matches!(fault(tar), MemberFault::Duplicate));
}

#[test]
fn a_way_that_leads_in_circles_or_through_a_file_is_refused() {
    let circle = Tar::new().symbolic_link("a", "b").symbolic_link("b", "a").file("a/x", "x");
    assert!(matches!(fault(circle), MemberFault::NotInDirectory));
    assert!(matches!(fault(Tar::new().file("a", "x").file("a/b", "x")), MemberFault::NotInDirectory));
    assert!(matches!(
        fault(Tar::new().symbolic_link("a", "nowhere").file("a/b", "x")),
        MemberFault::NotInDirectory
    ));
}

#[test]
fn a_hard_link_to_the_outside_is_refused() {
    let shelf = Shelf::new();
    let secret = shelf.path("outside/secret");
    for target in [secret.to_str().unwrap(), "../outside/secret"] {
        let tar = Tar::new().hard_link("a", target);
        assert!(matches!(fault(tar), MemberFault::LinkOutside(_)), "{target}");
    }
    let through = Tar::new().symbolic_link("out", shelf.path("outside").to_str().unwrap());
    assert!(matches!(fault(through.hard_link("a", "out/secret")), MemberFault::LinkToNothing));
}

#[test]
fn a_hard_link_to_nothing_or_to_a_directory_is_refused() {
    assert!(matches!(fault(Tar::new().hard_link("a", "b")), MemberFault::LinkToNothing));
    assert!(matches!(fault(Tar::new().hard_link("a", "a")), MemberFault::LinkToNothing));
    assert!(matches!(fault(Tar::new().directory("b").hard_link("a", "b")), MemberFault::LinkToNoFile));
    assert!(matches!(fault(Tar::new().hard_link("a", ".")), MemberFault::LinkToNoFile));
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    assert!(matches!(fault(Tar::new().file("a", "1").file("./a", "2")), MemberFault::Duplicate));
    assert!(matches!(fault(Tar::new().file("a/b", "1").symbolic_link("a", "c")), MemberFault::Duplicate));
}

#[test]
fn a_member_in_place_of_the_root_is_refused() {
    assert!(matches!(fault(Tar::new().symbolic_link("./", "/")), MemberFault::Root));
    assert!(matches!(fault(Tar::new().file(".", "x")), MemberFault::Root));
}

#[test]
fn names_and_paths_have_an_end() {
    let name = "x".repeat(256);
    assert!(matches!(
        fault(Tar::new().extended(&[("path", &name)]).file("a", "x")),
        MemberFault::NameTooLong
    ));
    let path = "x/".repeat(2100);
    assert!(matches!(
        fault(Tar::new().extended(&[("path", &path)]).file("a", "x")),
        MemberFault::PathTooLong(4095)
    ));
    let path = "x/".repeat(129);
    assert!(matches!(
        fault(Tar::new().extended(&[("path", &path)]).file("a", "x")),
        MemberFault::TooDeep(128)
    ));
    assert!(matches!(fault(Tar::new().extended(&[("path", "a\0b")]).file("a", "x")), MemberFault::NulByte));
    assert!(matches!(fault(Tar::new().symbolic_link("a", "")), MemberFault::LinkTarget));
}

#[test]
fn a_tree_that_links_made_deeper_than_its_paths_is_refused_and_removed() {
    let mut tar = Tar::new();
    let mut bottom = String::new();
    for round in 0..4 {
        let deep = format!("{bottom}{}", "d/".repeat(100));
        tar = tar.extended(&[("path", &deep)]).directory("d");
        tar = tar.extended(&[("linkpath", &deep)]).symbolic_link(&format!("l{round}"), "x");
        bottom = format!("l{round}/");
    }
    let refused = Shelf::new().import(&tar.bytes());
    assert!(matches!(refused, Err(ImportError::Digest(_))), "{refused:?}");
}

#[test]
fn sparse_files_are_refused() {
    assert!(matches!(fault(Tar::new().of_kind(b'S', "a")), MemberFault::Sparse));
    let tar = Tar::new().extended(&[("GNU.sparse.realsize", "9223372036854775807")]).file("a", "x");
    assert!(matches!(fault(tar), MemberFault::Sparse));
}

#[test]
fn a_member_of_two_sizes_is_refused() {
    assert!(matches!(fault(Tar::new().extended(&[("size", "512")]).file("a", "x")), MemberFault::TwoSizes));
}

#[test]
fn a_kind_that_nobody_knows_is_refused() {
    assert!(matches!(fault(Tar::new().of_kind(b'Z', "a")), MemberFault::UnknownKind('Z')));
}

#[test]
fn an_archive_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let whole = Tar::new().file("a", [1; 700]).directory("b").file("b/c", [2; 3000]).bytes();
    // The last block of the two that end an archive may be missing: no reader needs it.
    for end in (0..whole.len() - 1024).step_by(100) {
        assert!(matches!(damage(&whole[..end]), ArchiveFault::Truncated), "after {end} bytes");
    }
    for packed in [gzip(&whole), zstd(&whole)] {
        for end in (20..packed.len() - 1).step_by(10) {
            assert!(matches!(damage(&packed[..end]), ArchiveFault::Truncated), "after {end} packed bytes");
        }
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    assert!(matches!(damage(&[b'x'; 2048]), ArchiveFault::Damaged(_)));
    let mut wrong_sum = Tar::new().file("a", "x").bytes();
    wrong_sum[0] ^= 1;
    assert!(matches!(damage(&wrong_sum), ArchiveFault::Damaged(_)));
    let mut packed = gzip(&Tar::new().file("a", [7; 4000]).bytes());
    packed[30] ^= 0xff;
    assert!(Shelf::new().import(&packed).is_err());
    assert!(matches!(damage(b"\xfd7zXZ\0"), ArchiveFault::Compression("xz")));
}

#[test]
fn an_extended_header_without_an_end_or_a_member_is_refused() {
    let endless = Tar::new().member(EntryType::XHeader, "x", "", &vec![b'1'; 2 << 20], |_| {}).file("a", "x");
    assert!(matches!(damage(&endless.bytes()), ArchiveFault::LongHeader(_)));
    let endless =
        Tar::new().member(EntryType::GNULongName, "x", "", &vec![b'1'; 2 << 20], |_| {}).file("a", "x");
    assert!(matches!(damage(&endless.bytes()), ArchiveFault::LongHeader(_)));
    assert!(matches!(damage(&Tar::new().extended(&[("path", "a")]).bytes()), ArchiveFault::StrayHeader));
    let senseless = Tar::new().member(EntryType::XHeader, "x", "", b"nonsense", |_| {}).file("a", "x");
    assert!(matches!(damage(&senseless.bytes()), ArchiveFault::MalformedHeader));
}

#[test]
fn a_bomb_stops_at_the_limit_of_bytes() {
    let zeros = Tar::new().file("a", vec![0; 64 << 20]).bytes();
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    for packed in [gzip(&zeros), zstd(&zeros)] {
        assert!(packed.len() < 1 << 20);
        assert_eq!(reached(&packed, limits), LimitReached::Bytes(1 << 20));
    }
    assert_eq!(reached(&zeros, limits), LimitReached::Bytes(1 << 20));
    let claim = Tar::new().member(EntryType::Regular, "a", "", b"", |header| header.set_size(1 << 60));
    assert_eq!(reached(&claim.bytes(), limits), LimitReached::Bytes(1 << 20));
}

#[test]
fn many_members_stop_at_the_limit_of_entries() {
    let limits = Limits { entries: 10, ..Limits::default() };
    let mut files = Tar::new();
    for number in 0..11 {
        files = files.file(&number.to_string(), "");
    }
    assert_eq!(reached(&files.bytes(), limits), LimitReached::Entries(10));
    assert_eq!(
        reached(&Tar::new().file("1/2/3/4/5/6/7/8/9/10/file", "").bytes(), limits),
        LimitReached::Entries(10)
    );
    let mut again = Tar::new();
    for _ in 0..11 {
        again = again.directory("same");
    }
    assert_eq!(reached(&again.bytes(), limits), LimitReached::Entries(10));
}

#[test]
fn an_import_that_is_called_off_leaves_nothing() {
    let options = ImportOptions { called_off: Arc::new(AtomicBool::new(true)), ..ImportOptions::default() };
    let refused = Shelf::new().import_with(&Tar::new().file("a", "x").bytes(), &options);
    assert!(matches!(refused, Err(ImportError::CalledOff)), "{refused:?}");
}
