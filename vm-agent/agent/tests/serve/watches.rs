//! Watching files.

use std::fs;
use std::io::{ErrorKind, Read as _};

use mimobox_protocol::{ChangeKind, Decoder, FileFailure, FileOperation, Signal, WatchMessage};

use crate::files::{Desk, Started};

/// A watch, and what it has said that was not looked at yet.
struct Watch {
    started: Started,
    decoder: Decoder,
    unread: Vec<u8>,
}

impl Watch {
    fn start(desk: &mut Desk, path: String, recursive: bool) -> Self {
        let started = desk.start(FileOperation::Watch { path, recursive });
        let mut watch = Self { started, decoder: Decoder::new(), unread: Vec::new() };
        assert_eq!(watch.next(), Some(WatchMessage::Ready));
        watch
    }

    fn next(&mut self) -> Option<WatchMessage> {
        loop {
            let mut input = &self.unread[..];
            let message = self.decoder.next(&mut input).unwrap();
            self.unread = input.to_vec();
            if message.is_some() {
                return message;
            }
            let mut chunk = [0; 4096];
            match self.started.pipe.as_mut().unwrap().read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next change of this kind; those of others are passed over if they are of the same path.
    fn expect(&mut self, path: &str, kind: ChangeKind) {
        loop {
            match self.next() {
                Some(WatchMessage::Changed { path: changed, kind: how }) if changed == path => {
                    if how == kind {
                        return;
                    }
                }
                other => panic!("expected {path} {kind:?}, but {other:?}"),
            }
        }
    }

    /// The next change, which must be this one.
    fn expect_next(&mut self, path: &str, kind: ChangeKind) {
        assert_eq!(self.next(), Some(WatchMessage::Changed { path: path.into(), kind }));
    }
}

#[test]
fn changes_are_told_in_their_order() {
    let mut desk = Desk::new();
    let (folder, one, two) = (desk.path(""), desk.path("one"), desk.path("two"));
    let mut watch = Watch::start(&mut desk, folder, false);
    fs::write(&one, "1").unwrap();
    watch.expect_next(&one, ChangeKind::Created);
    watch.expect(&one, ChangeKind::Modified);
    fs::rename(&one, &two).unwrap();
    watch.expect(&two, ChangeKind::Renamed);
    fs::remove_file(&two).unwrap();
    watch.expect(&two, ChangeKind::Removed);
    desk.host.signal(watch.started.id, Signal::Terminate).unwrap();
    assert_eq!(desk.end(&watch.started), Err(FileFailure::Killed));
}

#[test]
fn moving_in_and_out_of_sight_is_making_and_removing() {
    let mut desk = Desk::new();
    let (folder, inside, outside) = (desk.path("folder"), desk.path("folder/file"), desk.path("file"));
    fs::create_dir(&folder).unwrap();
    fs::write(&outside, "").unwrap();
    let mut watch = Watch::start(&mut desk, folder, true);
    fs::rename(&outside, &inside).unwrap();
    watch.expect_next(&inside, ChangeKind::Created);
    fs::rename(&inside, &outside).unwrap();
    watch.expect_next(&inside, ChangeKind::Removed);
}

#[test]
fn directories_to_come_are_watched_too() {
    let mut desk = Desk::new();
    fs::create_dir(desk.path("old")).unwrap();
    let folder = desk.path("");
    let mut watch = Watch::start(&mut desk, folder, true);
    fs::write(desk.path("old/file"), "").unwrap();
    watch.expect_next(&desk.path("old/file"), ChangeKind::Created);
    fs::create_dir_all(desk.path("new/deep/deeper")).unwrap();
    fs::write(desk.path("new/deep/deeper/file"), "").unwrap();
    for path in ["new", "new/deep", "new/deep/deeper", "new/deep/deeper/file"] {
        watch.expect_next(&desk.path(path), ChangeKind::Created);
    }
    // Under its new name.
    fs::rename(desk.path("new"), desk.path("renamed")).unwrap();
    watch.expect_next(&desk.path("renamed"), ChangeKind::Renamed);
    fs::write(desk.path("renamed/deep/late"), "").unwrap();
    watch.expect_next(&desk.path("renamed/deep/late"), ChangeKind::Created);
}

#[test]
fn a_storm_of_directories_is_told_whole() {
    let mut desk = Desk::new();
    let folder = desk.path("");
    let mut watch = Watch::start(&mut desk, folder, true);
    let mut expected = std::collections::HashSet::new();
    for number in 0..300 {
        let directory = desk.path(&format!("{number}"));
        fs::create_dir_all(format!("{directory}/below")).unwrap();
        fs::write(format!("{directory}/below/file"), "").unwrap();
        expected.extend([directory.clone(), format!("{directory}/below"), format!("{directory}/below/file")]);
    }
    while !expected.is_empty() {
        match watch.next() {
            Some(WatchMessage::Changed { path, kind: ChangeKind::Created }) => {
                assert!(expected.remove(&path), "{path} was told twice");
            }
            other => panic!("{other:?}, {} left", expected.len()),
        }
    }
}

#[test]
fn a_watch_ends_with_what_it_watches() {
    let mut desk = Desk::new();
    let (file, folder) = (desk.path("file"), desk.path("folder"));
    fs::write(&file, "").unwrap();
    fs::create_dir(&folder).unwrap();
    let mut on_file = Watch::start(&mut desk, file.clone(), false);
    fs::write(&file, "more").unwrap();
    on_file.expect_next(&file, ChangeKind::Modified);
    fs::remove_file(&file).unwrap();
    on_file.expect(&file, ChangeKind::Removed);
    let mut on_folder = Watch::start(&mut desk, folder.clone(), true);
    fs::remove_dir(&folder).unwrap();
    on_folder.expect(&folder, ChangeKind::Removed);
    for watch in [&mut on_file, &mut on_folder] {
        assert_eq!(watch.next(), None);
        assert_eq!(desk.end(&watch.started), Ok(()));
    }
}

#[test]
fn a_watch_that_nobody_reads_ends() {
    let mut desk = Desk::new();
    let folder = desk.path("");
    let mut watch = Watch::start(&mut desk, folder, false);
    drop(watch.started.pipe.take());
    assert_eq!(desk.end(&watch.started), Ok(()));
}

#[test]
fn what_is_not_there_is_not_watched() {
    let mut desk = Desk::new();
    let started = desk.start(FileOperation::Watch { path: "/no/such".into(), recursive: true });
    assert_eq!(desk.end(&started), Err(FileFailure::NotFound));
}
