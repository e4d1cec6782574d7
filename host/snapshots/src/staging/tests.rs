//! Both ways to have a file before it has its name. The one with a name is taken by hand: the other needs it nowhere here.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use cap_std::ambient_authority;
use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, Arc<Dir>) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    (folder, Arc::new(dir))
}

fn files(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

type Make = fn(&Arc<Dir>) -> Result<StagedFile, StoreError>;

const WAYS: [(Make, usize); 2] = [(StagedFile::make, 0), (StagedFile::make_partial, 1)];

#[test]
fn a_staged_file_goes_when_it_is_dropped() {
    for (make, names) in WAYS {
        let (folder, dir) = folder();
        let staged = make(&dir).unwrap();
        assert_eq!(files(&folder), names);
        drop(staged);
        assert_eq!(files(&folder), 0);
    }
}

#[test]
fn a_published_file_has_its_name_alone_and_is_its_owners() {
    for (make, _) in WAYS {
        let (folder, dir) = folder();
        let staged = make(&dir).unwrap();
        staged.file().write_all_at(b"bytes", 0).unwrap();
        staged.publish(&dir, "name").unwrap();
        assert_eq!(files(&folder), 1);
        let path = folder.path().join("name");
        assert_eq!(fs::read(&path).unwrap(), b"bytes");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn publishing_replaces_nothing() {
    for (make, _) in WAYS {
        let (folder, dir) = folder();
        fs::write(folder.path().join("name"), "earlier").unwrap();
        let published = make(&dir).unwrap().publish(&dir, "name");
        assert!(matches!(published, Err(StoreError::Name(_))));
        assert_eq!(files(&folder), 1);
        assert_eq!(fs::read(folder.path().join("name")).unwrap(), b"earlier");
    }
}

#[test]
fn a_file_that_loses_its_name_can_still_be_read() {
    for (make, _) in WAYS {
        let (folder, dir) = folder();
        let staged = make(&dir).unwrap();
        staged.file().write_all_at(b"bytes", 0).unwrap();
        let file = staged.unname();
        assert_eq!(files(&folder), 0);
        let mut read = [0; 5];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"bytes");
    }
}

#[test]
fn a_sweep_takes_what_nobody_writes_any_more_and_nothing_else() {
    let (folder, dir) = folder();
    let written = StagedFile::make_partial(&dir).unwrap();
    fs::write(folder.path().join(".partial-left-behind"), "half").unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let own = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    sweep(&own).unwrap();
    assert!(!folder.path().join(".partial-left-behind").exists());
    assert_eq!(files(&folder), 2);
    written.publish(&dir, "name").unwrap();
}
