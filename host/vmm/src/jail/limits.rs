//! What the process as a whole may use, and what it gives up: getrlimit(2), capabilities(7), prctl(2).

use mimobox_confine::{
    Plan, ResourceLimit, Step, apply, empty_bounding_set, give_up_capabilities as give_up,
};
use mimobox_vmm_protocol::Config;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::state::MAX_STATE;

/// Descriptors: those of the machine, and one for each stream of a command.
const DESCRIPTORS: u64 = 1024;
/// Address space beyond guest memory: program, libraries, and what the allocator reserves for each thread.
const OWN_SPACE: u64 = 1 << 30;
const THREAD_SPACE: u64 = 160 << 20;

/// The main thread, the processors' and the devices'.
pub(super) fn threads(config: &Config) -> u64 {
    u64::from(config.vcpus) + 2
}

/// Sets the limits. A lower one of the host's stays.
pub(super) fn set(config: &Config) -> Result<String, String> {
    let threads = threads(config);
    let space = config.memory.saturating_add(OWN_SPACE).saturating_add(THREAD_SPACE.saturating_mul(threads));
    for (resource, value) in [(Resource::RLIMIT_AS, space), (Resource::RLIMIT_FSIZE, MAX_STATE as u64)] {
        lower(resource, value).map_err(|error| format!("failed to set {resource:?}: {error}"))?;
    }
    carry_out(Step::ResourceLimits(vec![
        ResourceLimit::CoreSize(0),
        ResourceLimit::LockedMemory(0),
        ResourceLimit::MessageQueues(0),
        ResourceLimit::OpenFiles(DESCRIPTORS),
        ResourceLimit::RealTimePriority(0),
    ]))?;
    Ok(format!("{space} bytes of address space, {DESCRIPTORS} descriptors, files of {MAX_STATE} bytes"))
}

/// No process or thread more than there are, and one: KVM starts a thread of its own when a guest first runs, in this
/// process and under its limit.
pub(super) fn forbid_processes(threads: u64) -> Result<(), String> {
    lower(Resource::RLIMIT_NPROC, threads + 1).map_err(|error| format!("failed to set RLIMIT_NPROC: {error}"))
}

/// Gives up all capabilities, in every set.
pub(super) fn give_up_capabilities() -> Result<String, String> {
    carry_out(Step::Capabilities)?;
    empty_bounding_set().map_err(|error| format!("failed to empty the bounding set: {error}"))?;
    give_up().map_err(|error| format!("failed to empty the sets: {error}"))?;
    Ok("none, in no set".to_owned())
}

/// Executing a program gives no rights. None can be executed anyway.
pub(super) fn forbid_new_privileges() -> Result<String, String> {
    carry_out(Step::NoNewPrivileges).map(|()| String::new())
}

/// Another process of the same user could else read the guest's memory.
pub(super) fn forbid_tracing() -> Result<String, String> {
    prctl::set_dumpable(false).map_err(|error| format!("failed to forbid tracing: {error}"))?;
    Ok(String::new())
}

fn lower(resource: Resource, value: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    setrlimit(resource, value.min(hard), value.min(hard))
}

fn carry_out(step: Step) -> Result<(), String> {
    match apply(&Plan { steps: vec![step] }, Vec::new()).report.failure {
        None => Ok(()),
        Some(failure) => Err(failure.cause),
    }
}
