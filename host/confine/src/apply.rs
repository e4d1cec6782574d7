//! Carries out a plan on the calling process. Only the agent does that, single-threaded, before it serves.

use std::error::Error;
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::prctl;
use serde::{Deserialize, Serialize};

use crate::capabilities::{self, CapabilityError};
use crate::enforcement::{Enforcement, Mechanism};
use crate::landlock::{self, LandlockError};
use crate::mounts::{self, MountError};
use crate::namespaces::{self, NamespaceError};
use crate::plan::{Plan, Step};
use crate::rlimit::{self, ResourceLimitError};
use crate::seccomp::{self, SeccompError};

/// Longest cause of a failure in a report, in bytes.
const LONGEST_CAUSE: usize = 1024;

/// What came of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What is in force, in the order of the steps.
    pub enforcement: Vec<Enforcement>,
    /// The step that failed; the plan ended there.
    pub failure: Option<Failure>,
}

/// A step that failed. For the operator's log only: it names paths of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("step {place} ({step}): {cause}")]
pub struct Failure {
    /// Place in the plan, from 0.
    pub place: u32,
    /// Its name: [`Step::name`].
    pub step: String,
    /// What its mechanism said, with the errno.
    pub cause: String,
}

/// A step was not done.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    ResourceLimit(#[from] ResourceLimitError),
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    #[error("failed to set no_new_privs")]
    NoNewPrivileges(#[source] Errno),
    #[error("failed to forbid tracing")]
    Undumpable(#[source] Errno),
    #[error(transparent)]
    Landlock(#[from] LandlockError),
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
}

/// Carries out the steps in order and stops at the first that fails. `descriptors` came with the plan.
///
/// After a failure the process is neither out nor in: it can only report and exit.
pub fn apply(plan: &Plan, descriptors: &[OwnedFd]) -> Report {
    let mut report = Report::default();
    for (place, step) in (0..).zip(&plan.steps) {
        match carry_out(step, descriptors) {
            Ok(lines) => report.enforcement.extend(lines),
            Err(error) => {
                report.failure = Some(Failure { place, step: step.name().to_owned(), cause: chain(&error) });
                break;
            }
        }
    }
    report
}

fn carry_out(step: &Step, descriptors: &[OwnedFd]) -> Result<Vec<Enforcement>, StepError> {
    let line = match step {
        Step::BecomeRoot => namespaces::become_root()?,
        Step::HostName(name) => namespaces::set_host_name(name)?,
        Step::CgroupNamespace => namespaces::enter_cgroup_namespace()?,
        Step::Loopback => namespaces::raise_loopback()?,
        Step::Root { bytes, inodes } => mounts::make_root(*bytes, *inodes)?,
        Step::Directory { path, mode, owner } => return silent(mounts::make_directory(path, *mode, *owner)),
        Step::File { path, contents } => return silent(mounts::make_file(path, contents)),
        Step::Link { path, target } => return silent(mounts::make_link(path, target)),
        Step::Show { source, path } => return silent(mounts::show(source, path)),
        Step::Device { source, path } => return silent(mounts::show_device(source, path)),
        Step::Volume { descriptor, path } => {
            let volume =
                descriptors.get(usize::from(*descriptor)).ok_or(MountError::NoVolume(*descriptor))?;
            return silent(mounts::attach_volume(volume.as_fd(), path));
        }
        Step::Processes(masks) => mounts::mount_processes(masks)?,
        Step::Terminals => return silent(mounts::mount_terminals()),
        Step::EnterRoot => return Ok(mounts::enter_root()?),
        Step::ResourceLimits(limits) => rlimit::set(limits)?,
        Step::Capabilities => {
            let line = capabilities::reduce()?;
            // Whoever could trace the agent would have its capabilities.
            prctl::set_dumpable(false).map_err(StepError::Undumpable)?;
            line
        }
        Step::NoNewPrivileges => {
            prctl::set_no_new_privs().map_err(StepError::NoNewPrivileges)?;
            Enforcement::enforced(Mechanism::NoNewPrivileges, "")
        }
        Step::Landlock(rules) => return Ok(landlock::restrict(rules)?),
        Step::Seccomp(filters) => seccomp::install(filters)?,
    };
    Ok(vec![line])
}

fn silent(done: Result<(), MountError>) -> Result<Vec<Enforcement>, StepError> {
    Ok(done.map(|()| Vec::new())?)
}

/// An error with all that caused it, cut to what a report has room for.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    let end = text.floor_char_boundary(LONGEST_CAUSE);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_the_plan_and_says_which_step_and_why() {
        let volume = Step::Volume { descriptor: 3, path: "/data".into() };
        let report = apply(&Plan { steps: vec![volume, Step::Loopback] }, &[]);
        let failure = report.failure.unwrap();
        assert_eq!((failure.place, failure.step.as_str()), (0, "volume"));
        assert!(failure.cause.contains("volume 3"), "{}", failure.cause);
        assert_eq!(report.enforcement, []);
    }
}
