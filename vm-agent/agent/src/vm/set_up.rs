//! Makes of a machine, which is the same in every copy, the one that its host has asked for.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mimobox_protocol::{MAX_VOLUMES, MachineRoot, SetUp, SetUpFailure};
use nix::errno::Errno;
use nix::sys::sysinfo::sysinfo;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use nix::unistd::sethostname;

use super::begin::Begin;
use super::disk;
use super::init::Fittings;
use super::root::{self, RootError};
use super::seed::{self, SeedError};

/// Of this program: its init and its agent.
const OWN_PROCESSES: u32 = 2;

const THREADS_MAX: &str = "/proc/sys/kernel/threads-max";

/// A step was not done. The host is told which; why is for the console.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetUpError {
    #[error("failed to accept a disk's number, a path or the number of volumes")]
    Invalid,
    #[error("failed to set the clock")]
    Clock(#[source] Errno),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("failed to set the host name")]
    HostName(#[source] Errno),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("failed to count the kernel's threads")]
    Count(#[source] Errno),
    #[error("failed to limit processes")]
    Processes(#[source] io::Error),
    #[error("failed to let the agent begin")]
    Agent(#[source] Errno),
}

/// Carries it out, and lets the agent begin.
pub(super) fn carry_out(set_up: &SetUp, fittings: Fittings, agent: &UnixStream) -> Result<(), SetUpError> {
    check(set_up)?;
    let now = Duration::new(set_up.clock_seconds, set_up.clock_nanoseconds);
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(now)).map_err(SetUpError::Clock)?;
    seed::seed(&set_up.entropy)?;
    sethostname(&set_up.host_name).map_err(SetUpError::HostName)?;
    let kernel_threads = limit_processes(set_up.processes)?;
    let upper: OwnedFd = root::enter(set_up, fittings)?;
    Begin { upper, kernel_threads }.send(agent).map_err(SetUpError::Agent)
}

fn check(set_up: &SetUp) -> Result<(), SetUpError> {
    let image = match set_up.root {
        MachineRoot::Base => None,
        MachineRoot::Disk(disk) => Some(disk),
    };
    let mut disks = image.into_iter().chain(set_up.volumes.iter().map(|volume| volume.disk));
    let sensible = set_up.volumes.len() <= MAX_VOLUMES
        && set_up.clock_nanoseconds < 1_000_000_000
        && i64::try_from(set_up.clock_seconds).is_ok()
        && disks.all(|disk| disk::device(disk).is_some());
    if sensible { Ok(()) } else { Err(SetUpError::Invalid) }
}

/// Limits what may run beside the kernel's own threads, whose number it hands back. The kernel counts both together, and heeds
/// this for root as well.
fn limit_processes(most: u32) -> Result<u32, SetUpError> {
    let running = sysinfo().map_err(SetUpError::Count)?.process_count();
    let kernel_threads = u32::from(running).saturating_sub(OWN_PROCESSES);
    let threads = kernel_threads.saturating_add(most.max(OWN_PROCESSES));
    fs::write(THREADS_MAX, threads.to_string()).map_err(SetUpError::Processes)?;
    Ok(kernel_threads)
}

impl SetUpError {
    /// What the host is told.
    pub(super) fn failure(&self) -> SetUpFailure {
        match self {
            Self::Invalid | Self::Root(RootError::Path(_)) => SetUpFailure::Invalid,
            Self::Clock(_) => SetUpFailure::Clock,
            Self::Seed(_) => SetUpFailure::Entropy,
            Self::HostName(_) => SetUpFailure::HostName,
            Self::Root(RootError::Image(_)) => SetUpFailure::Image,
            Self::Root(RootError::Volume { place, .. }) => SetUpFailure::Volume(*place),
            Self::Root(_) => SetUpFailure::Root,
            Self::Count(_) | Self::Processes(_) => SetUpFailure::Processes,
            Self::Agent(_) => SetUpFailure::Agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mimobox_protocol::MachineVolume;

    fn set_up() -> SetUp {
        SetUp {
            clock_seconds: 0,
            clock_nanoseconds: 999_999_999,
            entropy: [0; 32],
            host_name: String::new(),
            root: MachineRoot::Disk(1),
            writable: 0,
            volumes: vec![MachineVolume { disk: 2, path: "/data".into() }; MAX_VOLUMES],
            processes: 0,
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_done() {
        check(&set_up()).unwrap();
        let volume = MachineVolume { disk: 200, path: "/data".into() };
        for wrong in [
            SetUp { clock_nanoseconds: 1_000_000_000, ..set_up() },
            SetUp { clock_seconds: u64::MAX, ..set_up() },
            SetUp { root: MachineRoot::Disk(26), ..set_up() },
            SetUp { volumes: vec![volume], ..set_up() },
            SetUp { volumes: [set_up().volumes, set_up().volumes].concat(), ..set_up() },
        ] {
            assert!(matches!(check(&wrong), Err(SetUpError::Invalid)), "{wrong:?}");
        }
    }
}
