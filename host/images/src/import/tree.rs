//! The root that is being filled. Everything that an import writes, it writes through here.
//!
//! A member's directory is found by openat2(2) as the sandbox would find it: links are followed, absolute ones too, and
//! the root is where they end (RESOLVE_IN_ROOT). So a link to `/etc` is the image's own `/etc`, and none leads out. The
//! last name of a path is never followed: what was there before is removed, and what is made is new.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat,
    fchmod, fchown, futimens, linkat, mkdirat, openat, openat2, statat, symlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::{ImportError, MemberFault};
use super::limits::Budget;
use super::path::MemberPath;
use super::touched::Touched;
use crate::folder;
use crate::metadata::{Altered, Skipped};

/// Of a directory that no member names, and of the root itself: a sandbox's unprivileged user must get through.
const OPEN_TO_ALL: u32 = 0o755;
/// The bits of a mode that are kept: no set-user-id, no set-group-id.
const KEPT: u32 = 0o1777;
const PRIVILEGES: u32 = 0o6000;
/// The first id that no sandbox has, and what its owner becomes: nobody.
const BEYOND_IDS: u64 = 65_536;
const NOBODY: u32 = 65_534;
/// The year 9999: no file system goes further, and some not as far.
const LATEST: i64 = 253_402_300_799;
/// openat2(2) asks to be called again where a rename anywhere on the machine came between.
const ATTEMPTS: u32 = 128;

/// Owner, mode and time of a member, as its source says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
}

/// A root that is being filled.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    root: OwnedFd,
    pub(crate) budget: Budget<'a>,
    pub(crate) skipped: Skipped,
    pub(crate) altered: Altered,
    /// Only root can give files away. Anyone else's images are all his own.
    keeps_owners: bool,
}

/// A new file, to be filled and finished.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) contents: File,
    finish: Finish,
}

/// What is set last: owner, then mode, which a change of owner would take bits from, then time.
#[derive(Debug)]
struct Finish {
    owner: Option<(Uid, Gid)>,
    mode: Mode,
    times: Timestamps,
}

/// What is at a path.
enum Found {
    Nothing,
    Directory,
    Other,
}

impl<'a> Tree<'a> {
    /// Fills `root`, an empty directory.
    pub(crate) fn new(root: OwnedFd, budget: Budget<'a>) -> rustix::io::Result<Self> {
        fchmod(&root, Mode::from_raw_mode(OPEN_TO_ALL))?;
        let keeps_owners = geteuid().is_root();
        Ok(Self { root, budget, skipped: Skipped::default(), altered: Altered::default(), keeps_owners })
    }

    /// Makes a directory, or changes the one that is there. The root's own attributes stay as they are.
    pub(crate) fn directory(&mut self, path: &MemberPath, attributes: Attributes) -> Result<(), ImportError> {
        if path.is_root() {
            return Ok(());
        }
        let finish = self.finish(attributes, Mode::RWXU);
        self.put_directory(path, &finish).map_err(|fault| path.fault(fault))
    }

    fn put_directory(&self, path: &MemberPath, finish: &Finish) -> Result<(), MemberFault> {
        let (parent, name) = self.way(path)?;
        let made = match look(&parent, name)? {
            Found::Directory => folder::open(&parent, name),
            Found::Other => {
                clear(&parent, name)?;
                make_directory(&parent, name)
            }
            Found::Nothing => make_directory(&parent, name),
        };
        finish.apply(made.map_err(io(MemberFault::Make))?)
    }

    /// Makes a file of `size` bytes, which the caller then writes.
    pub(crate) fn file(
        &mut self,
        path: &MemberPath,
        attributes: Attributes,
        size: u64,
    ) -> Result<NewFile, ImportError> {
        self.budget.take_bytes(size)?;
        // Whoever owns it must be able to read it again: its contents go into the digest.
        let finish = self.finish(attributes, Mode::RUSR);
        let made = self.put(path, |parent, name| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
        });
        let contents = made.map_err(|fault| path.fault(fault))?;
        Ok(NewFile { contents: contents.into(), finish })
    }

    /// Makes a symbolic link. It may lead anywhere: only ever within the sandbox is it followed.
    pub(crate) fn symbolic_link(
        &mut self,
        path: &MemberPath,
        target: &[u8],
        attributes: Attributes,
    ) -> Result<(), ImportError> {
        if target.is_empty() || target.contains(&0) || target.len() > super::limits::LONGEST_PATH {
            return Err(path.fault(MemberFault::LinkTarget));
        }
        let finish = self.finish(attributes, Mode::empty());
        let made = self.put(path, |parent, name| {
            symlinkat(target, parent, name)?;
            if let Some((uid, gid)) = finish.owner {
                chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            utimensat(parent, name, &finish.times, AtFlags::SYMLINK_NOFOLLOW)
        });
        made.map_err(|fault| path.fault(fault))
    }

    /// Makes another name of a file or a symbolic link that is there already.
    pub(crate) fn hard_link(&mut self, path: &MemberPath, target: &MemberPath) -> Result<(), ImportError> {
        self.put_link(path, target).map_err(|fault| path.fault(fault))
    }

    fn put_link(&self, path: &MemberPath, target: &MemberPath) -> Result<(), MemberFault> {
        let (directory, of) = target.split().ok_or(MemberFault::LinkToNoFile)?;
        let from = self.open(directory).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => MemberFault::LinkToNothing,
            error => MemberFault::MakeWay(error.into()),
        })?;
        match look(&from, of)? {
            Found::Nothing => return Err(MemberFault::LinkToNothing),
            Found::Directory => return Err(MemberFault::LinkToNoFile),
            Found::Other => {}
        }
        self.put(path, |parent, name| linkat(&from, of, parent, name, AtFlags::empty()))
    }

    /// Removes what is at `path`, except for what `kept` holds.
    pub(crate) fn hide(&mut self, path: &MemberPath, kept: &Touched) -> Result<(), ImportError> {
        let hidden = || -> Result<bool, MemberFault> {
            let Some((parent, name)) = self.find(path)? else { return Ok(true) };
            if kept.holds(path) {
                return Ok(false);
            }
            clear(&parent, name)?;
            Ok(true)
        };
        match hidden().map_err(|fault| path.fault(fault))? {
            true => Ok(()),
            false => self.hide_contents(path, kept),
        }
    }

    /// Removes what is in the directory at `path`, except for what `kept` holds.
    pub(crate) fn hide_contents(&mut self, path: &MemberPath, kept: &Touched) -> Result<(), ImportError> {
        let listed = || -> Result<Vec<folder::Listed>, MemberFault> {
            let directory = match self.find(path)? {
                Some((parent, name)) => folder::open(&parent, name),
                None if path.is_root() => folder::open(&self.root, "."),
                None => return Ok(Vec::new()),
            };
            match directory {
                Ok(directory) => {
                    folder::list(&directory).and_then(Iterator::collect).map_err(io(MemberFault::Clear))
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(Vec::new()),
                Err(error) => Err(MemberFault::Clear(error.into())),
            }
        };
        for listed in listed().map_err(|fault| path.fault(fault))? {
            let inner = path.clone().join(listed.name.to_bytes());
            // As deep as a member's path may be at most: what is deeper is no path that a layer could have brought.
            self.budget.go_on()?;
            self.hide(&inner, kept)?;
        }
        Ok(())
    }

    /// Clears the place of `path` and lets `make` put something there.
    fn put<T>(
        &self,
        path: &MemberPath,
        make: impl FnOnce(&OwnedFd, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T, MemberFault> {
        let (parent, name) = self.way(path)?;
        if !matches!(look(&parent, name)?, Found::Nothing) {
            clear(&parent, name)?;
        }
        make(&parent, name).map_err(io(MemberFault::Make))
    }

    /// The directory that `path` is in, made if it is not there.
    fn way<'p>(&self, path: &'p MemberPath) -> Result<(OwnedFd, &'p [u8]), MemberFault> {
        let (directory, name) = path.split().ok_or(MemberFault::Root)?;
        let parent = match self.open(directory) {
            Err(Errno::NOENT) => self.make_way(path).and_then(|()| self.open(directory)),
            opened => opened,
        };
        Ok((parent.map_err(no_way)?, name))
    }

    /// Makes the directories that are missing on the way to `path`.
    fn make_way(&self, path: &MemberPath) -> rustix::io::Result<()> {
        let mut above = self.open(b"")?;
        for ancestor in path.ancestors() {
            above = match self.open(ancestor) {
                Err(Errno::NOENT) => {
                    let name = ancestor.rsplit(|byte| *byte == b'/').next().unwrap_or(ancestor);
                    let made = make_directory(&above, name)?;
                    fchmod(&made, Mode::from_raw_mode(OPEN_TO_ALL))?;
                    made
                }
                opened => opened?,
            };
        }
        Ok(())
    }

    /// The directory that `path` is in, and its name there; none if there is no such path.
    fn find<'p>(&self, path: &'p MemberPath) -> Result<Option<(OwnedFd, &'p [u8])>, MemberFault> {
        let Some((directory, name)) = path.split() else { return Ok(None) };
        let parent = match self.open(directory) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            opened => opened.map_err(no_way)?,
        };
        Ok(match look(&parent, name)? {
            Found::Nothing => None,
            Found::Directory | Found::Other => Some((parent, name)),
        })
    }

    /// Opens a directory of the image as the image sees it.
    fn open(&self, directory: &[u8]) -> rustix::io::Result<OwnedFd> {
        let directory = if directory.is_empty() { b"." } else { directory };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        for _ in 1..ATTEMPTS {
            match openat2(&self.root, directory, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                opened => return opened,
            }
        }
        openat2(&self.root, directory, flags, Mode::empty(), resolve)
    }

    /// Decides about owner and mode, and counts what is changed. `ours` is what the owner may at least do, where the
    /// owner is whoever imports: root does it anyhow.
    fn finish(&mut self, attributes: Attributes, ours: Mode) -> Finish {
        let Attributes { mode, uid, gid, modified } = attributes;
        if mode & PRIVILEGES != 0 {
            self.altered.privileges += 1;
        }
        let owner = self.keeps_owners.then(|| {
            if uid >= BEYOND_IDS || gid >= BEYOND_IDS {
                self.altered.owners += 1;
            }
            (Uid::from_raw(within_ids(uid)), Gid::from_raw(within_ids(gid)))
        });
        let ours = if self.keeps_owners { Mode::empty() } else { ours };
        Finish { owner, mode: Mode::from_raw_mode(mode & KEPT) | ours, times: times(modified) }
    }
}

impl NewFile {
    /// Sets owner, mode and time.
    pub(crate) fn finish(self) -> Result<(), MemberFault> {
        self.finish.apply(self.contents)
    }
}

impl Finish {
    fn apply(&self, made: impl AsFd) -> Result<(), MemberFault> {
        let set = || {
            if let Some((uid, gid)) = self.owner {
                fchown(&made, Some(uid), Some(gid))?;
            }
            fchmod(&made, self.mode)?;
            futimens(&made, &self.times)
        };
        set().map_err(io(MemberFault::Attributes))
    }
}

fn make_directory(parent: &OwnedFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    mkdirat(parent, name, Mode::RWXU)?;
    folder::open(parent, name)
}

fn look(parent: &OwnedFd, name: &[u8]) -> Result<Found, MemberFault> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(Found::Directory),
        Ok(_) => Ok(Found::Other),
        Err(Errno::NOENT) => Ok(Found::Nothing),
        Err(error) => Err(no_way(error)),
    }
}

fn clear(parent: &OwnedFd, name: &[u8]) -> Result<(), MemberFault> {
    folder::remove(parent, name).map_err(io(MemberFault::Clear))
}

/// A link that leads to nothing is in the way of its own target: it is there, and can't be gone through.
fn no_way(error: Errno) -> MemberFault {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::EXIST => MemberFault::NotInDirectory,
        error => MemberFault::MakeWay(error.into()),
    }
}

fn io(fault: fn(std::io::Error) -> MemberFault) -> impl FnOnce(Errno) -> MemberFault {
    move |error| fault(error.into())
}

fn within_ids(id: u64) -> u32 {
    u32::try_from(id).ok().filter(|id| u64::from(*id) < BEYOND_IDS).unwrap_or(NOBODY)
}

fn times(modified: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.clamp(0, LATEST), tv_nsec: 0 },
    }
}
