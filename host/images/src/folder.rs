//! Folders by their descriptors: opened without following a link, listed name by name, removed whole.
//!
//! All names in here are single names. An image's maker chose them, so nothing is ever reached by a longer path.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::{Errno, Result};

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One name in a folder.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) name: CString,
}

/// Opens the folder `name` of `parent`. A link is no folder.
pub(crate) fn open(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd> {
    openat(parent, name, OPEN, Mode::empty())
}

/// What is in a folder, in the order of the file system.
pub(crate) fn list(folder: impl AsFd) -> Result<impl Iterator<Item = Result<Listed>>> {
    let entries = Dir::read_from(folder)?;
    Ok(entries.filter_map(|entry| match entry {
        Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
        Ok(entry) => Some(Ok(Listed { name: entry.file_name().to_owned() })),
        Err(error) => Some(Err(error)),
    }))
}

/// Removes `name` and, where it is a folder, all that is in it. What is not there is removed already.
///
/// A folder may be nested more deeply than there are descriptors. So none is descended into: its folders are moved up
/// to the top, where they are emptied in their turn.
pub(crate) fn remove(parent: impl AsFd, name: impl rustix::path::Arg + Copy) -> Result<()> {
    match unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let top = open(&parent, name)?;
    let mut moved = 0;
    while empty_once(&top, &mut moved)? {}
    unlinkat(&parent, name, AtFlags::REMOVEDIR)
}

/// Removes what is in `top`; what was in a folder of a folder is in `top` afterwards. Whether there may be something left.
fn empty_once(top: &OwnedFd, moved: &mut u64) -> Result<bool> {
    let mut had_folders = false;
    for listed in list(top)? {
        let name = listed?.name;
        match unlinkat(top, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => had_folders = true,
            Err(error) => return Err(error),
        }
        let folder = open(top, &name)?;
        // Moving within a listing can hide names from it: what is left is found the next time.
        for inner in list(&folder)? {
            lift(&folder, &inner?, top, moved)?;
        }
        match unlinkat(top, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(had_folders)
}

/// Removes a file; moves a folder up to the top, under a name of its own.
fn lift(folder: &OwnedFd, inner: &Listed, top: &OwnedFd, moved: &mut u64) -> Result<()> {
    match unlinkat(folder, &inner.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    loop {
        *moved += 1;
        match renameat(folder, &inner.name, top, format!(".moved-{moved}")) {
            // A name that is taken. An empty folder there gives way, and was to go anyway.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, mkdirat};

    use super::*;

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        let doomed = place.path().join("doomed");
        fs::create_dir_all(doomed.join("a/b/c")).unwrap();
        fs::write(doomed.join("a/b/file"), "").unwrap();
        fs::create_dir_all(doomed.join(".moved-1/x")).unwrap();
        fs::write(doomed.join(".moved-2"), "").unwrap();
        symlink(&outside, doomed.join("a/link")).unwrap();
        symlink(&outside, doomed.join("link")).unwrap();
        remove(CWD, &doomed).unwrap();
        assert!(!doomed.exists());
        assert!(outside.join("kept").exists());
        remove(CWD, &doomed).unwrap();
    }

    #[test]
    fn a_folder_that_is_nested_deeper_than_descriptors_go_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let top = open(CWD, place.path()).unwrap();
        mkdirat(&top, "doomed", Mode::RWXU).unwrap();
        let mut folder = open(&top, "doomed").unwrap();
        for _ in 0..3000 {
            mkdirat(&folder, "x", Mode::RWXU).unwrap();
            folder = open(&folder, "x").unwrap();
        }
        remove(&top, "doomed").unwrap();
        assert!(!place.path().join("doomed").exists());
    }
}
