//! The store: names, what is under way, and what is in use.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use mimobox_images::{ImageName, ImportError, ImportOptions, OpenImageError, RemoveError};

use crate::packing::Tar;
use crate::shelf::{NAME, Shelf};

fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

fn replacing() -> ImportOptions {
    ImportOptions { replace: true, ..ImportOptions::default() }
}

#[test]
fn what_was_imported_is_listed_shown_opened_and_removed() {
    let shelf = Shelf::new();
    assert!(shelf.store.list().unwrap().is_empty());
    let metadata = shelf.import(&Tar::new().file("a", "x").bytes()).unwrap();
    assert_eq!((metadata.name.as_str(), metadata.entries, metadata.bytes), (NAME, 1, 1));
    let listed = shelf.store.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, name(NAME));
    assert_eq!(listed[0].metadata.as_ref().unwrap(), &metadata);
    assert_eq!(shelf.store.metadata(&name(NAME)).unwrap().as_ref(), Some(&metadata));
    let image = shelf.store.open_root(&name(NAME)).unwrap().unwrap();
    assert_eq!(image.metadata(), &metadata);
    let file = rustix::fs::openat(image.root(), "a", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    assert_eq!(std::io::read_to_string(File::from(file.unwrap())).unwrap(), "x");
    drop(image);
    shelf.store.remove(&name(NAME)).unwrap();
    assert_eq!(fs::read_dir(shelf.path("store")).unwrap().count(), 0);
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let shelf = Shelf::new();
    assert!(shelf.store.metadata(&name("nothing")).unwrap().is_none());
    assert!(shelf.store.open_root(&name("nothing")).unwrap().is_none());
    assert!(matches!(shelf.store.remove(&name("nothing")), Err(RemoveError::Missing(_))));
}

#[test]
fn a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("old", "x").bytes()).unwrap();
    let new = Tar::new().file("new", "x").bytes();
    assert!(matches!(shelf.import(&new), Err(ImportError::Exists(_))));
    assert!(shelf.has("old"));
    shelf.import_with(&new, &replacing()).unwrap();
    assert!(shelf.has("new") && !shelf.has("old"));
}

#[test]
fn a_replacement_that_fails_leaves_the_old_image() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("old", "x").bytes()).unwrap();
    assert!(shelf.import_with(&Tar::new().file("../new", "x").bytes(), &replacing()).is_err());
    assert!(shelf.has("old"));
}

#[test]
fn an_image_in_use_is_neither_removed_nor_replaced() {
    let shelf = Shelf::new();
    let archive = Tar::new().file("a", "x").bytes();
    shelf.import(&archive).unwrap();
    let root = shelf.store.open_root(&name(NAME)).unwrap().unwrap().into_root();
    let second = root.as_fd().try_clone_to_owned().unwrap();
    drop(root);
    assert!(matches!(shelf.store.remove(&name(NAME)), Err(RemoveError::InUse(_))));
    assert!(matches!(shelf.import_with(&archive, &replacing()), Err(ImportError::InUse(_))));
    drop(second);
    shelf.import_with(&archive, &replacing()).unwrap();
    shelf.store.remove(&name(NAME)).unwrap();
}

#[test]
fn of_two_imports_of_one_name_one_wins_and_both_end_well() {
    let shelf = Shelf::new();
    let archive = shelf.path("archive");
    fs::write(&archive, Tar::new().file("a", [7; 100_000]).bytes()).unwrap();
    let import = || {
        let source = File::open(&archive).unwrap();
        shelf.store.import(&name(NAME), source, &ImportOptions::default())
    };
    let results = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(import)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(
        results.iter().all(|result| matches!(result, Ok(_) | Err(ImportError::Exists(_)))),
        "{results:?}"
    );
    let left: Vec<_> = fs::read_dir(shelf.path("store")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_import_is_called_off_while_it_waits_for_a_pipe() {
    let shelf = Shelf::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let options = ImportOptions::default();
    let called_off = options.called_off.clone();
    let importing = thread::scope(|scope| {
        let importing = scope.spawn(|| {
            let source = File::from(std::os::fd::OwnedFd::from(reader));
            shelf.store.import(&name(NAME), source, &options)
        });
        called_off.store(true, Ordering::Relaxed);
        // Whatever comes next wakes it up; it must not go on with it.
        while !importing.is_finished() {
            let _ = std::io::Write::write(&mut writer, &[b'x'; 512]);
            thread::sleep(Duration::from_millis(1));
        }
        importing.join().unwrap()
    });
    assert!(matches!(importing, Err(ImportError::CalledOff)), "{importing:?}");
    assert_eq!(fs::read_dir(shelf.path("store")).unwrap().count(), 0);
}

#[test]
fn what_is_known_must_be_what_this_store_writes() {
    let shelf = Shelf::new();
    shelf.import(&Tar::new().file("a", "x").bytes()).unwrap();
    let record = shelf.path("store").join(NAME).join("image.json");
    let whole = fs::read_to_string(&record).unwrap();
    let read = || shelf.store.metadata(&name(NAME));
    fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(read(), Err(OpenImageError::Malformed { .. })));
    fs::write(&record, whole.replace("\"format\": 1", "\"format\": 2")).unwrap();
    assert!(matches!(read(), Err(OpenImageError::Format { format: 2, .. })));
    fs::remove_file(&record).unwrap();
    assert!(matches!(read(), Err(OpenImageError::Read { .. })));
    assert!(shelf.store.list().unwrap()[0].metadata.is_err(), "it is listed all the same");
    shelf.store.remove(&name(NAME)).unwrap();
}
