//! Watching: what inotify(7) says, as changes of paths.
//!
//! ```text
//!   inotify ──► Watch::take ──► changes ──► pipe ──► host
//!                  └─ a directory appeared: watched, and what is in it already is told as created
//! ```
//!
//! A directory that the user may not read is passed over, as it would be by ls(1).

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use mimobox_protocol::{ChangeKind, FileFailure, WatchMessage, encode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use super::failure::{Stop, not_watched};

/// `POLLRDHUP`, for which nix has no name: poll(2).
const HANG_UP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// How long the second half of a move may take after the first: they are made one after the other, by a process that may lose
/// its processor in between.
const SECOND_HALF_MS: u16 = 200;

/// Tells changes until killed, or until what is watched is gone.
pub(super) fn watch(path: &Path, recursive: bool, pipe: OwnedFd) -> Result<(), Stop> {
    // Without a slash at the end, to which names could be joined twice.
    let root: PathBuf = path.components().collect();
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let mut watch = Watch {
        inotify,
        root,
        recursive,
        watched: HashMap::new(),
        moved: None,
        scanned: HashSet::new(),
        messages: encode(&WatchMessage::Ready)?,
    };
    watch.begin()?;
    let mut pipe = File::from(pipe);
    loop {
        pipe.write_all(&watch.messages)?;
        watch.messages.clear();
        if watch.has_ended() {
            return Ok(());
        }
        watch.wait(&pipe)?;
    }
}

struct Watch {
    inotify: Inotify,
    /// As the host calls it.
    root: PathBuf,
    recursive: bool,
    /// Where each watch is now. Without the root's it has ended.
    watched: HashMap<WatchDescriptor, PathBuf>,
    /// The first half of a move.
    moved: Option<Moved>,
    /// Told as created since the last wait: the kernel may say so too.
    scanned: HashSet<PathBuf>,
    /// Frames that wait to be sent.
    messages: Vec<u8>,
}

struct Moved {
    cookie: u32,
    path: PathBuf,
    is_directory: bool,
}

fn interest() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        // Not of files without a name, of which some file systems make one up.
        | AddWatchFlags::from_bits_retain(libc::IN_EXCL_UNLINK)
}

impl Watch {
    fn begin(&mut self) -> Result<(), Stop> {
        let descriptor = self.inotify.add_watch(&self.root, interest()).map_err(not_watched)?;
        self.watched.insert(descriptor, self.root.clone());
        if self.recursive && self.root.is_dir() {
            for directory in members(&self.root)?.into_iter().filter(|member| is_directory(member)) {
                self.enter(directory, false)?;
            }
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        !self.watched.values().any(|path| *path == self.root)
    }

    /// Waits for changes and takes them in.
    fn wait(&mut self, pipe: &File) -> Result<(), Stop> {
        // That the host has closed its end: of a pipe it is told unasked, of a stream from a microVM's host as its hanging up.
        let mut both =
            [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN), PollFd::new(pipe.as_fd(), HANG_UP)];
        let patience = match self.moved {
            Some(_) => PollTimeout::from(SECOND_HALF_MS),
            None => PollTimeout::NONE,
        };
        match poll(&mut both, patience) {
            Ok(0) => return self.forget_moved(),
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        if both.last().and_then(PollFd::any).unwrap_or(true) {
            return Err(Stop::NobodyReads);
        }
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        self.take(&event)?;
                    }
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if self.messages.len() > mimobox_protocol::MAX_FRAME {
                // The host shall take these first; the kernel keeps what there is more.
                return Ok(());
            }
        }
        self.scanned.clear();
        Ok(())
    }

    fn take(&mut self, event: &InotifyEvent) -> Result<(), Stop> {
        let mask = event.mask;
        let moved_here = self
            .moved
            .take_if(|moved| mask.contains(AddWatchFlags::IN_MOVED_TO) && moved.cookie == event.cookie);
        // Whatever else comes after a first half, its second half is not to come: it was moved out of sight.
        self.forget_moved()?;
        if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return Err(FileFailure::ChangesLost.into());
        }
        let Some(place) = self.watched.get(&event.wd).cloned() else { return Ok(()) };
        if mask.intersects(AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_UNMOUNT) {
            // Of the root this is an unmounting: it has said its own end before all other ones.
            self.watched.remove(&event.wd);
            return if place == self.root { self.tell(&place, ChangeKind::Removed) } else { Ok(()) };
        }
        let Some(name) = &event.name else { return self.take_own(&event.wd, place, mask) };
        let path = place.join(name);
        let is_directory = mask.contains(AddWatchFlags::IN_ISDIR);
        if mask.contains(AddWatchFlags::IN_MOVED_FROM) {
            self.moved = Some(Moved { cookie: event.cookie, path, is_directory });
            return Ok(());
        }
        if let Some(moved) = moved_here {
            if is_directory {
                self.follow(&moved.path, &path);
            }
            return self.tell(&path, ChangeKind::Renamed);
        }
        if mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) {
            if !self.scanned.contains(&path) {
                self.tell(&path, ChangeKind::Created)?;
                if is_directory && self.recursive {
                    self.enter(path, true)?;
                }
            }
            return Ok(());
        }
        if mask.contains(AddWatchFlags::IN_DELETE) {
            self.scanned.remove(&path);
            return self.tell(&path, ChangeKind::Removed);
        }
        self.tell(&path, ChangeKind::Modified)
    }

    /// A change of a watched file or directory itself. Of those below the root the directory above says so too.
    fn take_own(&mut self, own: &WatchDescriptor, place: PathBuf, mask: AddWatchFlags) -> Result<(), Stop> {
        if place != self.root {
            return Ok(());
        }
        if mask.intersects(AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF) {
            self.watched.remove(own);
            return self.tell(&place, ChangeKind::Removed);
        }
        self.tell(&place, ChangeKind::Modified)
    }

    /// Watches a directory that has appeared, and all below it. What is in them may have been made before they were
    /// watched: it is told as created if `tell` says so.
    fn enter(&mut self, directory: PathBuf, tell: bool) -> Result<(), Stop> {
        let mut left = vec![directory];
        while let Some(directory) = left.pop() {
            let flags = interest() | AddWatchFlags::IN_ONLYDIR | AddWatchFlags::IN_DONT_FOLLOW;
            match self.inotify.add_watch(&directory, flags) {
                Ok(descriptor) => drop(self.watched.insert(descriptor, directory.clone())),
                // Gone again, or nobody's business.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => continue,
                Err(errno) => return Err(not_watched(errno)),
            }
            for member in members(&directory).unwrap_or_default() {
                if tell && self.scanned.insert(member.clone()) {
                    self.tell(&member, ChangeKind::Created)?;
                }
                if is_directory(&member) {
                    left.push(member);
                }
            }
        }
        Ok(())
    }

    /// Tells what was moved out of sight as removed, and watches it no more.
    fn forget_moved(&mut self) -> Result<(), Stop> {
        let Some(moved) = self.moved.take() else { return Ok(()) };
        if moved.is_directory {
            let gone: Vec<_> = self.below(&moved.path).collect();
            for descriptor in gone {
                self.watched.remove(&descriptor);
                // It may have ended by itself.
                let _ = self.inotify.rm_watch(descriptor);
            }
        }
        self.tell(&moved.path, ChangeKind::Removed)
    }

    /// A watched directory has a new place, and so has all below it.
    fn follow(&mut self, from: &Path, to: &Path) {
        for path in self.watched.values_mut() {
            if let Ok(rest) = path.strip_prefix(from) {
                *path = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            }
        }
    }

    fn below(&self, path: &Path) -> impl Iterator<Item = WatchDescriptor> {
        self.watched
            .iter()
            .filter(move |(_, place)| place.starts_with(path))
            .map(|(descriptor, _)| *descriptor)
    }

    fn tell(&mut self, path: &Path, kind: ChangeKind) -> Result<(), Stop> {
        let path = path.to_str().ok_or(FileFailure::NotUtf8)?.to_owned();
        self.messages.extend(encode(&WatchMessage::Changed { path, kind })?);
        Ok(())
    }
}

fn members(directory: &Path) -> Result<Vec<PathBuf>, Stop> {
    Ok(fs::read_dir(directory)?.filter_map(|member| Some(member.ok()?.path())).collect())
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
