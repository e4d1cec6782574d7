//! There and back, and what must not come back.
#![allow(clippy::indexing_slicing, reason = "a failed expectation ends the test")]

use std::fs::{self, File, Permissions};
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::restore::{RestoreError, restore};
use super::save::save;
use super::tree::Trees;

fn sandbox() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for place in ["tmp", "home/sandbox", "dev/shm"] {
        fs::create_dir_all(root.path().join(place)).unwrap();
    }
    root
}

fn trees(root: &TempDir) -> Trees {
    Trees::of(root.path().to_str().unwrap(), None).unwrap()
}

fn saved(root: &TempDir) -> Vec<u8> {
    let mut archive = Vec::new();
    save(&trees(root), &mut archive).unwrap();
    archive
}

fn restored(archive: &[u8]) -> Result<TempDir, RestoreError> {
    let root = sandbox();
    restore(&trees(&root), archive)?;
    Ok(root)
}

/// An archive of one member.
fn archive(name: &str, kind: EntryType, link: Option<&str>, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let bytes = name.as_bytes();
    header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
    if let Some(link) = link {
        let bytes = link.as_bytes();
        header.as_old_mut().linkname[..bytes.len()].copy_from_slice(bytes);
    }
    change(&mut header);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn files_links_directories_and_their_attributes_come_back() {
    let before = sandbox();
    let at = |path: &str| before.path().join(path);
    let binary: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(at("tmp/binary"), &binary).unwrap();
    fs::set_permissions(at("tmp/binary"), Permissions::from_mode(0o750)).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(at("tmp/binary")).unwrap().set_modified(long_ago).unwrap();
    fs::create_dir_all(at(&format!("home/sandbox/{}", "deep/".repeat(60)))).unwrap();
    fs::write(at(&format!("home/sandbox/{}leaf", "deep/".repeat(60))), "leaf").unwrap();
    symlink("/etc/passwd", at("home/sandbox/link")).unwrap();
    fs::hard_link(at("tmp/binary"), at("dev/shm/same")).unwrap();
    mkfifo(&at("tmp/fifo"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    fs::set_permissions(at("tmp"), Permissions::from_mode(0o1777)).unwrap();
    File::open(at("home/sandbox/deep")).unwrap().set_modified(long_ago).unwrap();

    let after = restored(&saved(&before)).unwrap();
    let at = |path: &str| after.path().join(path);
    assert!(fs::read(at("tmp/binary")).unwrap() == binary);
    let metadata = fs::metadata(at("tmp/binary")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.modified().unwrap()), (0o750, long_ago));
    assert_eq!(fs::read(at(&format!("home/sandbox/{}leaf", "deep/".repeat(60)))).unwrap(), b"leaf");
    assert_eq!(fs::read_link(at("home/sandbox/link")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::metadata(at("dev/shm/same")).unwrap().ino(), metadata.ino(), "two names of one file");
    assert!(fs::symlink_metadata(at("tmp/fifo")).unwrap().mode() & 0o170_000 == 0o010_000);
    assert_eq!(fs::metadata(at("tmp")).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::metadata(at("home/sandbox/deep")).unwrap().modified().unwrap(), long_ago);
}

#[test]
fn a_name_that_is_not_utf8_comes_back() {
    use std::os::unix::ffi::OsStrExt as _;
    let before = sandbox();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    fs::write(before.path().join("tmp").join(name), "x").unwrap();
    let after = restored(&saved(&before)).unwrap();
    assert!(after.path().join("tmp").join(name).exists());
}

#[test]
fn an_archive_cut_short_anywhere_is_refused() {
    let before = sandbox();
    fs::write(before.path().join("tmp/a"), vec![1; 1000]).unwrap();
    let whole = saved(&before);
    restored(&whole).unwrap();
    // One block of zeros ends it; what follows is not looked at.
    for length in (0..whole.len() - 1024 + 511).step_by(64) {
        assert!(restored(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_name_that_leads_out_of_the_trees_is_refused() {
    for name in ["etc/passwd", "../tmp/a", "tmp/../etc/a", "/tmp/a", "home/a", ".", "dev/null", "tmp/./../x"]
    {
        let refused = restored(&archive(name, EntryType::Regular, None, |_| {}));
        assert!(refused.is_err(), "{name}");
    }
    assert!(
        restored(&archive("tmp/a", EntryType::Regular, None, |_| {})).unwrap().path().join("tmp/a").exists()
    );
}

#[test]
fn a_member_below_a_link_is_refused_and_a_link_in_its_own_place_is_replaced() {
    let outside = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_link(&mut header, "tmp/out", outside.path()).unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_size(1);
    let through = {
        let mut builder = Builder::new(builder.get_ref().clone());
        builder.append_data(&mut header.clone(), "tmp/out/file", &b"x"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    assert!(matches!(restored(&through), Err(RestoreError::Make(..))));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    builder.append_data(&mut header, "tmp/out", &b"x"[..]).unwrap();
    let replaced = restored(&builder.into_inner().unwrap()).unwrap();
    assert!(fs::symlink_metadata(replaced.path().join("tmp/out")).unwrap().is_file());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_hard_link_to_the_outside_is_refused() {
    for target in ["../etc/passwd", "/etc/passwd", "etc/passwd", "tmp"] {
        let refused = restored(&archive("tmp/a", EntryType::Link, Some(target), |_| {}));
        assert!(matches!(refused, Err(RestoreError::Name(_))), "{target}");
    }
}

#[test]
fn devices_and_unknown_kinds_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Continuous] {
        let device = |header: &mut Header| {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        };
        let refused = restored(&archive("tmp/a", kind, None, device));
        assert!(matches!(refused, Err(RestoreError::Kind(_))), "{kind:?}");
    }
}

#[test]
fn a_user_that_a_sandbox_does_not_have_is_refused() {
    let refused = restored(&archive("tmp/a", EntryType::Regular, None, |header| header.set_uid(65_536)));
    assert!(matches!(refused, Err(RestoreError::Header(_))));
}

#[test]
fn a_set_user_id_bit_does_not_come_back() {
    let after =
        restored(&archive("tmp/a", EntryType::Regular, None, |header| header.set_mode(0o6755))).unwrap();
    assert_eq!(fs::metadata(after.path().join("tmp/a")).unwrap().mode() & 0o7777, 0o755);
}

fn mark(name: &str, minor: u32) -> Vec<u8> {
    archive(name, EntryType::Char, None, |header| {
        header.set_device_major(0).unwrap();
        header.set_device_minor(minor).unwrap();
    })
}

#[test]
fn a_mark_removes_what_it_names_and_nothing_else() {
    let root = sandbox();
    for file in ["tmp/gone/a", "tmp/kept", "home/sandbox/new/old"] {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    for (name, minor) in [("tmp/gone", 0), ("tmp/never-was", 0), ("home/sandbox/new", 1)] {
        restore(&trees(&root), &mark(name, minor)[..]).unwrap();
    }
    assert!(!root.path().join("tmp/gone").exists() && root.path().join("tmp/kept").exists());
    assert_eq!(fs::read_dir(root.path().join("home/sandbox/new")).unwrap().count(), 0);
    for (name, minor) in [("tmp/kept", 1), ("tmp/kept", 2), ("tmp", 0), ("etc/passwd", 0)] {
        assert!(restore(&trees(&root), &mark(name, minor)[..]).is_err(), "{name} {minor}");
    }
    assert!(root.path().join("tmp/kept").exists());
}

#[test]
fn a_name_that_an_image_layer_takes_for_a_mark_is_a_name() {
    let before = sandbox();
    for name in ["tmp/.wh.a", "tmp/a", "tmp/.wh..wh..opq"] {
        fs::write(before.path().join(name), "x").unwrap();
    }
    let after = restored(&saved(&before)).unwrap();
    assert_eq!(fs::read_dir(after.path().join("tmp")).unwrap().count(), 3);
}

#[test]
fn what_was_removed_over_an_image_is_marked() {
    use std::os::fd::OwnedFd;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a device takes root");
        return;
    }
    let (root, upper) = (sandbox(), tempfile::tempdir().unwrap());
    fs::create_dir(upper.path().join("etc")).unwrap();
    let gone = upper.path().join("etc/gone");
    nix::sys::stat::mknod(&gone, nix::sys::stat::SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
    let upper = OwnedFd::from(File::open(upper.path()).unwrap());
    let trees = Trees::of(root.path().to_str().unwrap(), Some(upper)).unwrap();
    let mut bytes = Vec::new();
    save(&trees, &mut bytes).unwrap();
    // Over another tree it removes what it names.
    let other = sandbox();
    fs::create_dir_all(other.path().join("etc")).unwrap();
    fs::write(other.path().join("etc/gone"), "x").unwrap();
    let whole = OwnedFd::from(File::open(other.path()).unwrap());
    let over = Trees::of(other.path().to_str().unwrap(), Some(whole)).unwrap();
    restore(&over, &bytes[..]).unwrap();
    assert!(!other.path().join("etc/gone").exists());
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let marks: Vec<_> = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.header().entry_type() == EntryType::Char)
        .map(|entry| (entry.path().unwrap().into_owned(), entry.header().device_minor().unwrap()))
        .collect();
    assert_eq!(marks, [("etc/gone".into(), Some(0))]);
}

/// Bytes of a valid archive, changed at one place each, must be refused or give some tree, and never reach outside of it.
#[test]
fn a_changed_archive_is_refused_or_restored_inside() {
    let before = sandbox();
    fs::write(before.path().join("tmp/a"), "abc").unwrap();
    symlink("a", before.path().join("tmp/b")).unwrap();
    let whole = saved(&before);
    let mut state = 1_u64;
    for _ in 0..300 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut changed = whole.clone();
        let place = usize::try_from(state >> 33).unwrap() % changed.len();
        changed[place] ^= 1 << (state & 7);
        let root = sandbox();
        let _ = restore(&trees(&root), &changed[..]);
        let tops: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(tops.len(), 3, "{tops:?}");
    }
}
