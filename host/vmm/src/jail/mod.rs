//! The jail of this process, put up before it looks at a kernel, a saved state or a guest.
//!
//! ```text
//!   started by the host ── configuration, descriptors
//!     │ namespaces, an empty root, limits, no capabilities      enter
//!     │ threads start, each installs its filter first           Filter
//!     │ the main thread's own filter                            Filter
//!     ▼
//!   kernel or state is read; the guest runs
//! ```
//!
//! What was opened before stays open; nothing can be opened afterwards, by anybody. A wall that cannot be put up ends the
//! process, unless the host tolerates that by name.

mod filter;
mod identity;
mod limits;
mod root;
mod walls;

use mimobox_vmm_protocol::{Config, Failure, JailLine, Mechanism};

pub use filter::{Filter, FilterError};
use walls::Walls;

use crate::reports::{Report, Reports};

/// Puts up everything that holds the whole process. To be called while it has one thread.
///
/// # Errors
/// `Jail`.
pub fn enter(config: &Config) -> Result<Vec<JailLine>, Failure> {
    let mut walls = Walls::new(config.tolerated.clone());
    let separate = identity::become_separate(config.account);
    let cause = separate.as_ref().err().map(identity::IdentityError::chain);
    match &separate {
        Ok(who) => walls.stands(Mechanism::UserNamespace, format!("user {}, group {}", who.user, who.group)),
        Err(_) => walls.missing(Mechanism::UserNamespace, cause.as_deref().unwrap_or_default())?,
    }
    for (mechanism, detail) in [
        (Mechanism::MountNamespace, "its own"),
        (Mechanism::NetworkNamespace, "no interface is up"),
        (Mechanism::IpcNamespace, "its own"),
        (Mechanism::UtsNamespace, "its own"),
    ] {
        match &cause {
            None => walls.stands(mechanism, detail.to_owned()),
            Some(cause) => walls.missing(mechanism, cause)?,
        }
    }
    // Without a mount namespace of its own this would be done to the host's mounts.
    let root = match &cause {
        None => root::enter_empty().map_err(|error| error.chain()),
        Some(cause) => Err(cause.clone()),
    };
    walls.put_up(Mechanism::EmptyRoot, root.map(|()| "empty, read-only".to_owned()))?;
    walls.put_up(Mechanism::ResourceLimits, limits::set(config))?;
    walls.put_up(Mechanism::Capabilities, limits::give_up_capabilities())?;
    walls.put_up(Mechanism::NoNewPrivileges, limits::forbid_new_privileges())?;
    walls.put_up(Mechanism::Undumpable, limits::forbid_tracing())?;
    Ok(walls.lines())
}

/// Waits until every thread has installed its filter, installs the main thread's, and lets nobody start a process or thread
/// any more.
///
/// # Errors
/// `Jail`, `Thread`.
pub(crate) fn install_filters(config: &Config, reports: &Reports) -> Result<Vec<JailLine>, Failure> {
    let mut walls = Walls::new(config.tolerated.clone());
    let (mut processors, mut devices) = (Ok(()), Ok(()));
    // Each processor's thread and the devices'.
    for _ in 0..=config.vcpus {
        match reports.wait()? {
            Report::Jailed(Filter::Device, answer) => devices = devices.and(answer),
            Report::Jailed(_, answer) => processors = processors.and(answer),
            _ => return Err(Failure::Thread),
        }
    }
    walls.put_up(Mechanism::VcpuFilter, told(processors))?;
    walls.put_up(Mechanism::DeviceFilter, told(devices))?;
    // The main thread can lower a limit only before its own filter is in force.
    limits::forbid_processes(limits::threads(config))
        .map_err(|cause| Failure::Jail { mechanism: Mechanism::ResourceLimits, cause })?;
    walls.put_up(Mechanism::ControlFilter, told(Filter::Control.install()))?;
    Ok(walls.lines())
}

fn told(answer: Result<(), FilterError>) -> Result<String, String> {
    answer.map(|()| "what is not listed kills the process".to_owned()).map_err(|error| error.to_string())
}
