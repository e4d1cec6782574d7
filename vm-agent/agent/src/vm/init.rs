//! What is the same in every machine of one template: file systems of the guest's own, its loopback, its doors, its agent.
//!
//! All of it is done before the host connects, so that a template has it done. Nothing here depends on what the host will say.

#![allow(unsafe_code, reason = "sched_setscheduler(2), which no wrapper offers")]

use std::os::fd::OwnedFd;

use mimobox_confine::{Plan, Step, apply};
use mimobox_protocol::SANDBOX_GID;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{mkdir, symlinkat};
use rustix::mount::{OpenTreeFlags, open_tree};

/// Where the parts of the root are put together: a directory of the base image.
pub(super) const STAGE: &str = "/run";

/// The image, where it is not the base image.
pub(super) const LOWER: &str = "/run/lower";
/// What is written.
pub(super) const UPPER: &str = "/run/upper";
/// The overlay's own.
pub(super) const WORK: &str = "/run/work";
/// The overlay.
pub(super) const ROOT: &str = "/run/root";

/// Descriptors that the relay may hold: some six for each of the processes that an agent takes.
const DESCRIPTORS: u64 = 16 * 1024;

/// The machine was not made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error("failed to mount {0}")]
    Mount(&'static str, #[source] Errno),
    #[error("failed to make {0}")]
    Make(&'static str, #[source] Errno),
    #[error("failed to keep hold of {0}")]
    Keep(&'static str, #[source] Errno),
    #[error("failed to bring up the loopback: {0}")]
    Loopback(mimobox_confine::Failure),
    #[error("failed to be allowed enough descriptors")]
    Descriptors(#[source] Errno),
    #[error("failed to be scheduled behind others")]
    Scheduling(#[source] Errno),
}

/// Detached copies of what every root gets.
pub(super) struct Fittings {
    pub(super) processes: OwnedFd,
    pub(super) devices: OwnedFd,
}

/// Makes the machine ready.
pub(super) fn prepare() -> Result<Fittings, InitError> {
    mount_devices()?;
    let nothing_runs = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", "/proc", nothing_runs, "")?;
    // Its size is set when the machine is: what is written over the root goes there.
    mount_new("tmpfs", STAGE, MsFlags::empty(), "mode=0755")?;
    for (place, mode) in [(LOWER, 0o700), (UPPER, 0o755), (WORK, 0o700), (ROOT, 0o700)] {
        mkdir(place, Mode::from_bits_truncate(mode)).map_err(|errno| InitError::Make(place, errno))?;
    }
    raise_loopback()?;
    Ok(Fittings { processes: keep("/proc")?, devices: keep("/dev")? })
}

/// Lets this process, which becomes the relay, have as many descriptors as it may need.
pub(super) fn allow_descriptors() -> Result<(), InitError> {
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS).map_err(InitError::Descriptors)
}

/// Lets others work on when this process, which becomes the relay, has something to do: a command that writes fills its pipe,
/// and the relay moves it all at once, where it would otherwise be woken for each piece. sched(7), `SCHED_BATCH`.
pub(super) fn yield_to_others() -> Result<(), InitError> {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads one structure.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
    Errno::result(set).map(drop).map_err(InitError::Scheduling)
}

/// Lets each of the machine's users have as many processes as the machine has.
pub(super) fn lift_process_limit() -> Result<(), Errno> {
    setrlimit(Resource::RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY)
}

fn mount_devices() -> Result<(), InitError> {
    match mount_new("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=0755") {
        // The kernel has done it.
        Err(InitError::Mount(_, Errno::EBUSY)) => {}
        answer => answer?,
    }
    for (place, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        symlinkat(target, AT_FDCWD, place).map_err(|errno| InitError::Make(place, errno))?;
    }
    for place in ["/dev/pts", "/dev/shm"] {
        mkdir(place, Mode::from_bits_truncate(0o755)).map_err(|errno| InitError::Make(place, errno))?;
    }
    let harmless = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = format!("ptmxmode=0666,mode=0620,gid={SANDBOX_GID},max=64");
    mount_new("devpts", "/dev/pts", harmless, &options)?;
    mount_new("tmpfs", "/dev/shm", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")
}

fn mount_new(kind: &str, place: &'static str, flags: MsFlags, options: &str) -> Result<(), InitError> {
    mount(Some(kind), place, Some(kind), flags, Some(options)).map_err(|errno| InitError::Mount(place, errno))
}

fn raise_loopback() -> Result<(), InitError> {
    match apply(&Plan { steps: vec![Step::Loopback] }, Vec::new()).report.failure {
        Some(failure) => Err(InitError::Loopback(failure)),
        None => Ok(()),
    }
}

fn keep(place: &'static str) -> Result<OwnedFd, InitError> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(rustix::fs::CWD, place, flags)
        .map_err(|errno| InitError::Keep(place, Errno::from_raw(errno.raw_os_error())))
}
