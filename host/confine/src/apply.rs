//! Carries out a plan on the calling process. Only the agent does that, single-threaded, before it serves.

use std::error::Error;
use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::prctl;
use serde::{Deserialize, Serialize};

use crate::capabilities::{self, CapabilityError};
use crate::enforcement::{Enforcement, Mechanism};
use crate::image;
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

/// What a plan leaves behind.
#[derive(Debug)]
pub struct Applied {
    /// For the host.
    pub report: Report,
    /// What the sandbox writes over its image, as a directory that no path leads to; none for a root without an image.
    /// Landlock lets this process use it.
    pub upper: Option<OwnedFd>,
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
pub fn apply(plan: &Plan, descriptors: Vec<OwnedFd>) -> Applied {
    let mut report = Report::default();
    let mut site = Site { descriptors, upper: None };
    for (place, step) in (0..).zip(&plan.steps) {
        match site.carry_out(step) {
            Ok(lines) => report.enforcement.extend(lines),
            Err(error) => {
                report.failure = Some(Failure { place, step: step.name().to_owned(), cause: chain(&error) });
                break;
            }
        }
    }
    Applied { report, upper: site.upper }
}

/// What one step leaves for a later one.
struct Site {
    descriptors: Vec<OwnedFd>,
    upper: Option<OwnedFd>,
}

impl Site {
    fn carry_out(&mut self, step: &Step) -> Result<Vec<Enforcement>, StepError> {
        let line = match step {
            Step::CloneMount { descriptor, source, writable } => {
                let clone = mounts::clone_again(self.descriptor(*descriptor)?, source, *writable)?;
                if let Some(place) = self.descriptors.get_mut(usize::from(*descriptor)) {
                    *place = clone;
                }
                return Ok(Vec::new());
            }
            Step::BecomeRoot => {
                namespaces::become_root()?;
                return Ok(Vec::new());
            }
            Step::HostName(name) => namespaces::set_host_name(name)?,
            Step::CgroupNamespace => namespaces::enter_cgroup_namespace()?,
            Step::Loopback => namespaces::raise_loopback()?,
            Step::Root { bytes, inodes } => mounts::make_root(*bytes, *inodes)?,
            Step::Directory { path, mode, owner } => {
                return silent(mounts::make_directory(path, *mode, *owner));
            }
            Step::File { path, contents } => return silent(mounts::make_file(path, contents)),
            Step::Link { path, target } => return silent(mounts::make_link(path, target)),
            Step::Show { source, path } => return silent(mounts::show(source, path)),
            Step::Device { source, path } => return silent(mounts::show_device(source, path)),
            Step::Volume { descriptor, path } => {
                return silent(mounts::attach_volume(self.descriptor(*descriptor)?, path));
            }
            Step::Processes(masks) => mounts::mount_processes(masks)?,
            Step::Terminals { group } => return silent(mounts::mount_terminals(*group)),
            Step::Image { descriptor } => {
                let (line, upper) = image::enter_image(self.descriptor(*descriptor)?)?;
                self.upper = Some(upper);
                line
            }
            Step::Ensure { path, mode, owner } => {
                return silent(image::ensure_directory(path, *mode, *owner));
            }
            Step::Replace { path, contents } => return silent(image::replace_file(path, contents)),
            Step::Account(account) => return silent(image::add_account(account)),
            Step::EnterRoot => {
                let mut lines = vec![mounts::enter_root()?];
                if self.upper.is_none() {
                    let detail = "tmpfs, with the image read-only in it";
                    lines.push(Enforcement::enforced(Mechanism::RootFilesystem, detail));
                }
                return Ok(lines);
            }
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
            Step::Landlock(rules) => {
                let upper = self.upper.as_ref().map(AsFd::as_fd);
                return Ok(landlock::restrict(rules, upper)?);
            }
            Step::Seccomp(filters) => seccomp::install(filters)?,
        };
        Ok(vec![line])
    }

    fn descriptor(&self, place: u16) -> Result<BorrowedFd<'_>, MountError> {
        self.descriptors.get(usize::from(place)).map(AsFd::as_fd).ok_or(MountError::NoDescriptor(place))
    }
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
        let Applied { report, .. } = apply(&Plan { steps: vec![volume, Step::Loopback] }, Vec::new());
        let failure = report.failure.unwrap();
        assert_eq!((failure.place, failure.step.as_str()), (0, "volume"));
        assert!(failure.cause.contains("mount 3"), "{}", failure.cause);
        assert_eq!(report.enforcement, []);
    }
}
