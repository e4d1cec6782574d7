//! Files of real sandboxes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use mimobox::{ChangeKind, FileKind, ReadFile, Sandbox, WriteFile, blocking};
use mimobox_harness::can_sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn sixty_four_mebibytes_are_written_and_read_back() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let bytes: Vec<u8> = (0..8 * MIB as u64).flat_map(u64::to_le_bytes).collect();
    sandbox.files().write("/tmp/large", &bytes).await.unwrap();
    assert!(sandbox.files().read("/tmp/large").await.unwrap() == bytes);
}

#[tokio::test]
async fn what_a_program_writes_is_read_and_the_other_way_round() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let files = sandbox.files();
    files.write("/tmp/in", "of the library").await.unwrap();
    assert_eq!(sandbox.execute("cat /tmp/in").await.unwrap().stdout, b"of the library");
    sandbox.execute("printf 'of the program' > /tmp/out").await.unwrap();
    assert_eq!(files.read("/tmp/out").await.unwrap(), b"of the program");
}

#[tokio::test]
async fn streams_read_a_part_and_write_whole_or_not_at_all() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let files = sandbox.files();
    let mut writing = files.writer(WriteFile::new("/tmp/file")).await.unwrap();
    for part in [&b"one "[..], b"two ", b"three"] {
        writing.write_all(part).await.unwrap();
    }
    writing.finish().await.unwrap();
    let part = ReadFile { offset: 4, length: Some(3), ..ReadFile::whole("/tmp/file") };
    let mut text = String::new();
    files.reader(part).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "two");
    let mut abandoned = files.writer(WriteFile::new("/tmp/file")).await.unwrap();
    abandoned.write_all(b"never").await.unwrap();
    drop(abandoned);
    assert_eq!(files.read("/tmp/file").await.unwrap(), b"one two three");
}

#[tokio::test]
async fn directories_are_made_listed_renamed_and_removed() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let files = sandbox.files();
    files.make_dir("/tmp/a/b").await.unwrap();
    files.write("/tmp/a/file", "12345").await.unwrap();
    let listed: BTreeSet<_> =
        files.list("/tmp/a").await.unwrap().into_iter().map(|entry| (entry.name, entry.size)).collect();
    assert!(listed.contains(&("file".to_owned(), 5)) && listed.len() == 2, "{listed:?}");
    let stat = files.stat("/tmp/a").await.unwrap();
    assert_eq!((stat.name.as_str(), stat.kind), ("a", FileKind::Directory));
    files.rename("/tmp/a/file", "/tmp/a/b/file").await.unwrap();
    assert_eq!(files.stat("/tmp/a/file").await.unwrap_err().code(), "not-found");
    assert_eq!(files.remove("/tmp/a").await.unwrap_err().code(), "directory-not-empty");
    files.remove_all("/tmp/a").await.unwrap();
    assert_eq!(files.list("/tmp/a").await.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let files = sandbox.files();
    for (path, code) in [
        ("/tmp/nothing", "not-found"),
        ("/tmp", "is-a-directory"),
        ("relative", "invalid-argument"),
        ("/etc/passwd/below", "not-a-directory"),
    ] {
        assert_eq!(files.read(path).await.unwrap_err().code(), code, "{path}");
    }
}

#[tokio::test]
async fn a_watch_sees_what_a_program_does() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    sandbox.files().make_dir("/tmp/watched").await.unwrap();
    let mut watch = sandbox.files().watch("/tmp/watched").await.unwrap();
    sandbox.execute("touch /tmp/watched/new").await.unwrap();
    let change = watch.recv().await.unwrap().unwrap();
    assert_eq!((change.path.as_str(), change.kind), ("/tmp/watched/new", ChangeKind::Created));
}

#[test]
fn files_are_read_and_written_without_async_too() {
    if !can_sandbox() {
        return;
    }
    let sandbox = blocking::Sandbox::new().unwrap();
    let files = sandbox.files();
    let mut writing = files.writer(WriteFile::new("/tmp/file")).unwrap();
    writing.write_all(b"one two").unwrap();
    writing.finish().unwrap();
    let mut text = String::new();
    files.reader(ReadFile::whole("/tmp/file")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two");
    files.make_dir("/tmp/watched").unwrap();
    let mut changes = files.watch("/tmp/watched").unwrap();
    files.write("/tmp/watched/new", "x").unwrap();
    assert!(changes.next().unwrap().unwrap().path.starts_with("/tmp/watched/"));
}
