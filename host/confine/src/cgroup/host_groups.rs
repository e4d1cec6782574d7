//! The groups that a host makes for itself, below which its sandboxes' are.
//!
//! Their name says whose they are: a process number and when that process started. As long as the host lives it holds a lock
//! on each; a later host that finds neither such a process nor a lock removes them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, access};

use super::control::ControlFiles;
use super::error::CgroupError;
use super::group::{Group, Lacking};
use super::hierarchies::{Controller, Hierarchies, Hierarchy, Version};
use super::{GroupLimits, Tolerated};
use crate::enforcement::Enforcement;
use crate::reap;

/// All of ours in a hierarchy.
const OURS: &str = "mimobox";

/// From Linux 6.19 on, a process that was waited for may still be leaving its group for a moment.
const PAUSE: Duration = Duration::from_millis(1);
const REMOVALS: u32 = 1000;

/// Where a host may make groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Territory {
    /// In every hierarchy: it is root.
    Machine,
    /// Beside its own group of version 2, where that was delegated to its user: cgroups(7). Where it was not, memory and
    /// processes are limited by what the kernel holds of each process or user, and the report says so.
    Delegated,
}

/// One directory in each hierarchy, for as long as the host runs.
#[derive(Debug)]
pub struct HostGroups {
    levels: Vec<Arc<Level>>,
    territory: Territory,
}

/// The host's directory in one hierarchy.
#[derive(Debug)]
pub(super) struct Level {
    path: PathBuf,
    directory: Dir,
    version: Version,
    /// `tasks` of the group that the host itself is in, of version 1: open, so that a thread comes home from a sandbox's group
    /// even when there are no descriptors left.
    home: Option<fs::File>,
    /// Those that groups made here have.
    controllers: BTreeSet<Controller>,
    _lock: Flock<OwnedFd>,
}

impl HostGroups {
    /// Makes them, after removing what hosts that are dead have left.
    ///
    /// # Errors
    /// `Open`, `Create`, `Lock`.
    pub fn create(hierarchies: &Hierarchies, territory: Territory) -> Result<Self, CgroupError> {
        // More than one in a process are told apart.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", Owner::this_process());
        let mut host = Self { levels: Vec::new(), territory };
        for hierarchy in needed(hierarchies) {
            let base = match territory {
                Territory::Machine => Some(PathBuf::new()),
                Territory::Delegated => delegated(hierarchy),
            };
            if let Some(base) = base {
                host.levels.push(Arc::new(Level::create(hierarchy, &base, &name)?));
            }
        }
        Ok(host)
    }

    /// Whether groups made here can do that.
    pub fn controls(&self, controller: Controller) -> bool {
        self.levels.iter().any(|level| level.controls(controller))
    }

    /// The directories, for a janitor.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.levels.iter().map(|level| &level.path)
    }

    /// Makes the groups of a sandbox and sets its limits.
    ///
    /// # Errors
    /// `Create`; `Unenforceable`, unless the mechanism is tolerated.
    pub fn group(
        &self,
        name: &str,
        limits: GroupLimits,
        tolerated: &Tolerated,
    ) -> Result<(Group, Vec<Enforcement>), CgroupError> {
        Group::create(&self.levels, name, limits, &Lacking { territory: self.territory, tolerated })
    }
}

impl Drop for HostGroups {
    fn drop(&mut self) {
        for level in &self.levels {
            // Not empty while a sandbox is still being destroyed: the janitor has them too.
            let _ = fs::remove_dir(&level.path);
        }
    }
}

/// The group that the host is in, relative to the hierarchy's root: cgroups(7) on `/proc/pid/cgroup`.
fn home(hierarchy: &Hierarchy) -> io::Result<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| hierarchy.home_in(line)).unwrap_or("/");
    let inside = path.trim_start_matches('/');
    Ok(inside.into())
}

/// The group that the host's own is in, if this user may make groups there and move processes into them.
pub(crate) fn delegated(hierarchy: &Hierarchy) -> Option<PathBuf> {
    if hierarchy.version == Version::One {
        return None;
    }
    let base = home(hierarchy).ok()?.parent()?.to_owned();
    let at = hierarchy.root.join(&base);
    let writable = |path: PathBuf| access(&path, AccessFlags::W_OK).is_ok();
    let files = ["cgroup.procs", "cgroup.subtree_control"].map(|file| at.join(file));
    (writable(at) && files.into_iter().all(writable)).then_some(base)
}

/// Version 2 wherever there is one, since it freezes, kills and counts processor time; version 1 for what is only there.
fn needed(hierarchies: &Hierarchies) -> Vec<&Hierarchy> {
    let mut needed: Vec<_> = hierarchies.unified().into_iter().collect();
    let mut controllers = vec![Controller::Memory, Controller::Processes, Controller::Cpu];
    if needed.is_empty() {
        controllers.extend([Controller::Accounting, Controller::Freezer]);
    }
    for hierarchy in controllers.into_iter().filter_map(|controller| hierarchies.with(controller)) {
        if !needed.contains(&hierarchy) {
            needed.push(hierarchy);
        }
    }
    needed
}

impl Level {
    /// Makes it below `base`, a group of the hierarchy's; empty for the hierarchy's root.
    fn create(hierarchy: &Hierarchy, base: &Path, name: &str) -> Result<Self, CgroupError> {
        let base = hierarchy.root.join(base);
        let shown = || base.display().to_string();
        let opened = |source| CgroupError::Open { path: shown(), source };
        let made = |source| CgroupError::Create { name: name.to_owned(), hierarchy: shown(), source };
        let root = Dir::open_ambient_dir(&base, ambient_authority()).map_err(opened)?;
        make_directory(&root, OURS).map_err(made)?;
        let ours = root.open_dir(OURS).map_err(made)?;
        sweep(&ours, &base.join(OURS));
        ours.create_dir(name).map_err(made)?;
        let directory = ours.open_dir(name).map_err(made)?;
        let lock = lock(&directory).map_err(|error| CgroupError::Lock {
            name: name.to_owned(),
            hierarchy: shown(),
            source: error.into(),
        })?;
        let controllers = match hierarchy.version {
            Version::One => hierarchy.controllers.iter().copied().collect(),
            Version::Two => hand_down(&[&root, &ours, &directory], &hierarchy.controllers),
        };
        let home = match hierarchy.version {
            Version::One => {
                let tasks = hierarchy.root.join(home(hierarchy).map_err(opened)?).join("tasks");
                Some(fs::OpenOptions::new().write(true).open(tasks).map_err(opened)?)
            }
            Version::Two => None,
        };
        let path = base.join(OURS).join(name);
        Ok(Self { path, directory, version: hierarchy.version, home, controllers, _lock: lock })
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn controls(&self, controller: Controller) -> bool {
        self.controllers.contains(&controller)
    }

    /// Moves the calling thread out of a group of version 1, to where the host is.
    pub(super) fn take_thread_home(&self) -> io::Result<()> {
        // Zero is the thread that writes.
        self.home.as_ref().map_or(Ok(()), |mut tasks| tasks.write_all(b"0"))
    }

    pub(super) fn make(&self, name: &str) -> Result<Dir, CgroupError> {
        let made = self.directory.create_dir(name).and_then(|()| {
            let opened = self.directory.open_dir(name);
            if opened.is_err() {
                // Whoever asked has nothing in hand to remove it by.
                let _ = self.remove(name);
            }
            opened
        });
        made.map_err(|source| CgroupError::Create {
            name: name.to_owned(),
            hierarchy: self.path.display().to_string(),
            source,
        })
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), CgroupError> {
        for _ in 0..REMOVALS {
            match self.directory.remove_dir(name) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(PAUSE),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                answer => return answer.map_err(|source| not_removed(name, source)),
            }
        }
        Err(not_removed(name, io::ErrorKind::ResourceBusy.into()))
    }
}

fn not_removed(name: &str, source: io::Error) -> CgroupError {
    CgroupError::Remove { name: name.to_owned(), source }
}

/// Switches controllers on at each level, outermost first, and says which reached the last. In the midst of another's tree
/// (a container's, say) the kernel may refuse; then there is that much less to enforce with, and the report says so.
fn hand_down(levels: &[&Dir], controllers: &[Controller]) -> BTreeSet<Controller> {
    let mut reached = BTreeSet::from([Controller::Accounting, Controller::Freezer]);
    for controller in controllers {
        let switched_on = levels.iter().all(|level| match level.try_clone() {
            Ok(level) => ControlFiles::new(level, Version::Two)
                .try_write("cgroup.subtree_control", format!("+{}", controller.name()))
                .is_ok(),
            Err(_) => false,
        });
        if switched_on {
            reached.insert(*controller);
        }
    }
    reached
}

/// Removes what hosts that are dead have left. That it can't is no reason not to start.
fn sweep(ours: &Dir, path: &Path) {
    let Ok(entries) = ours.entries() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(Owner::parse);
        if owner.is_some_and(|owner| !owner.lives()) && is_unlocked(ours, &name) {
            let _ = reap::empty_and_remove(&[path.join(&name)]);
        }
    }
}

/// A host in another pid namespace that shares this hierarchy still has its lock.
fn is_unlocked(ours: &Dir, name: &std::ffi::OsStr) -> bool {
    ours.open_dir(name).is_ok_and(|directory| lock(&directory).is_ok())
}

fn lock(directory: &Dir) -> nix::Result<Flock<OwnedFd>> {
    // A `Dir` only names a directory; a lock needs one that is open.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open = openat(directory, ".", flags, Mode::empty())?;
    Flock::lock(open, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)
}

fn make_directory(parent: &Dir, name: &str) -> io::Result<()> {
    match parent.create_dir(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        answer => answer,
    }
}

/// A process, told from a later one of the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    pid: u32,
    /// Ticks since the machine booted: proc_pid_stat(5).
    started: u64,
}

impl Owner {
    fn this_process() -> Self {
        let pid = std::process::id();
        Self { pid, started: start_of(pid).unwrap_or(0) }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        Some(Self { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? })
    }

    fn lives(self) -> bool {
        start_of(self.pid) == Some(self.started)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.pid, self.started)
    }
}

fn start_of(pid: u32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold anything, brackets too: what counts follows the last one.
    let (_, after) = line.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_that_started_at_another_time_does_not() {
        let owner = Owner::this_process();
        assert!(owner.lives());
        assert!(!Owner { started: owner.started + 1, ..owner }.lives());
    }

    #[test]
    fn a_name_says_whose_it_is() {
        let owner = Owner { pid: 17, started: 4711 };
        assert_eq!(Owner::parse(&format!("{owner}-0")), Some(owner));
        assert_eq!(Owner::parse("system.slice"), None);
    }

    #[test]
    fn nothing_of_version_1_is_delegated() {
        let hierarchy = Hierarchy { root: "/".into(), version: Version::One, controllers: vec![] };
        assert_eq!(delegated(&hierarchy), None);
    }

    #[test]
    fn on_a_hybrid_machine_each_hierarchy_is_taken_once() {
        let one = |controllers: &[Controller], root: &str| Hierarchy {
            root: root.into(),
            version: Version::One,
            controllers: controllers.to_vec(),
        };
        let both = one(&[Controller::Cpu, Controller::Accounting], "/cpu");
        let memory = one(&[Controller::Memory], "/memory");
        let freezer = one(&[Controller::Freezer], "/freezer");
        let unified = Hierarchy { root: "/unified".into(), version: Version::Two, controllers: vec![] };
        let old = Hierarchies(vec![both.clone(), memory.clone(), freezer.clone()]);
        assert_eq!(needed(&old), [&memory, &both, &freezer]);
        let hybrid = Hierarchies(vec![both.clone(), memory.clone(), freezer, unified.clone()]);
        assert_eq!(needed(&hybrid), [&unified, &memory, &both]);
    }

    #[test]
    fn a_controller_that_cannot_be_switched_on_is_not_counted_on() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = Dir::open_ambient_dir(scratch.path(), ambient_authority()).unwrap();
        let reached = hand_down(&[&directory], &[Controller::Memory]);
        assert!(!reached.contains(&Controller::Memory));
        fs::write(scratch.path().join("cgroup.subtree_control"), "").unwrap();
        let reached = hand_down(&[&directory], &[Controller::Memory]);
        assert!(reached.contains(&Controller::Memory));
        assert_eq!(fs::read_to_string(scratch.path().join("cgroup.subtree_control")).unwrap(), "+memory");
    }
}
