//! Ends what runs in cgroups and removes them: what the janitor does after its host is gone, and a new host with what an
//! earlier one has left.
//!
//! Each path is a directory that one host made for itself in one hierarchy, with one directory a sandbox in it.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::sys::{open_pidfd, signal_pidfd};

/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Killing again, and asking whether all are gone. Version 1 tells nobody when a group gets empty.
const PAUSE: Duration = Duration::from_millis(2);

/// Something is left.
#[derive(Debug, thiserror::Error)]
pub enum ReapError {
    /// The groups could not be listed.
    #[error("failed to list the groups of {path}")]
    List {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A process could not be killed.
    #[error("failed to kill the processes of {path}")]
    Kill {
        /// Which group.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A group could not be removed, though there was time.
    #[error("failed to remove the group {path}")]
    Remove {
        /// Which group.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Kills all that runs in the groups below `hosts`, and removes the groups and `hosts` themselves. What is gone already is
/// no error. Blocks until all is done.
///
/// # Errors
/// Each variant of [`ReapError`] is a step. What could be done is done.
pub fn empty_and_remove(hosts: &[PathBuf]) -> Result<(), ReapError> {
    let deadline = Instant::now() + PATIENCE;
    let mut groups = Vec::new();
    for host in hosts {
        groups.extend(list(host)?);
    }
    // Version 2 first, where there is one: it kills a whole group at once, so that nothing can fork away.
    groups.sort_by_key(|group| !group.join(KILL_FILE).exists());
    loop {
        let mut left = None;
        for group in &groups {
            kill(group)?;
        }
        for group in groups.iter().chain(hosts) {
            if let Err(source) = remove(group) {
                left = Some(ReapError::Remove { path: group.clone(), source });
            }
        }
        match left {
            None => return Ok(()),
            Some(error) if Instant::now() >= deadline => return Err(error),
            Some(_) => thread::sleep(PAUSE),
        }
    }
}

const KILL_FILE: &str = "cgroup.kill";

fn list(host: &Path) -> Result<Vec<PathBuf>, ReapError> {
    let failed = |source| ReapError::List { path: host.to_owned(), source };
    let entries = match fs::read_dir(host) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut groups = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            groups.push(entry.path());
        }
    }
    Ok(groups)
}

fn kill(group: &Path) -> Result<(), ReapError> {
    let attempt = match write_existing(&group.join(KILL_FILE), "1") {
        Err(error) if is_gone(&error) => {
            // A frozen process of version 1 does not even die.
            match write_existing(&group.join("freezer.state"), "THAWED") {
                Err(error) if !is_gone(&error) => Err(error),
                _ => kill_one_by_one(group),
            }
        }
        answer => answer,
    };
    match attempt {
        Err(source) if !is_gone(&source) => Err(ReapError::Kill { path: group.to_owned(), source }),
        _ => Ok(()),
    }
}

fn kill_one_by_one(group: &Path) -> io::Result<()> {
    let members = || fs::read_to_string(group.join("cgroup.procs"));
    for pid in members()?.lines().filter_map(|line| line.parse().ok()) {
        let process = match open_pidfd(pid) {
            Err(Errno::ESRCH) => continue,
            answer => answer?,
        };
        // Its number may have gone to somebody else since the list was read. Now the handle holds it.
        if members()?.lines().any(|line| line.parse() == Ok(pid)) {
            match signal_pidfd(process.as_fd(), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn write_existing(file: &Path, value: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(file)?.write_all(value.as_bytes())
}

fn remove(group: &Path) -> io::Result<()> {
    match fs::remove_dir(group) {
        Err(error) if is_gone(&error) => Ok(()),
        answer => answer,
    }
}

fn is_gone(error: &io::Error) -> bool {
    // Reading a group that is being removed.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_there_is_no_error() {
        let scratch = tempfile::tempdir().unwrap();
        empty_and_remove(&[scratch.path().join("gone")]).unwrap();
    }

    #[test]
    fn empty_groups_and_their_host_are_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let host = scratch.path().join("host");
        fs::create_dir_all(host.join("first")).unwrap();
        fs::create_dir_all(host.join("second")).unwrap();
        empty_and_remove(std::slice::from_ref(&host)).unwrap();
        assert!(!host.exists());
    }
}
