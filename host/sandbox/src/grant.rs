//! What is allowed: a request after the ceiling and every policy have narrowed it.
//!
//! A backend takes an [`Authorized`] value and nothing else, and only this crate makes one: there is no way to an effect
//! around ceiling, policy and audit.

use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;

use crate::limits::GrantedLimits;
use crate::spec::{Isolation, Mount, Variable};

/// Proof that ceiling, policies and audit log have seen `T`.
#[derive(Clone, Debug)]
pub struct Authorized<T>(T);

impl<T> Authorized<T> {
    /// Only `manager` calls this, right after the audit log has the request.
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Takes a grant apart: what was authorized as a whole is authorized in its parts.
    pub(crate) fn part<P>(self, part: P) -> (T, Authorized<P>) {
        (self.0, Authorized(part))
    }

    /// The grant itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Authorized<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A sandbox as granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SandboxGrant {
    /// Which backend makes it.
    pub isolation: Isolation,
    /// Name of the image.
    pub image: String,
    /// To be in force from before the first command to the end.
    pub limits: GrantedLimits,
    /// Of every command.
    #[serde(skip)]
    pub environment: Vec<Variable>,
    /// Volumes, each with no more access than the operator gave.
    pub mounts: Vec<Mount>,
    /// Destroyed after this long.
    #[serde(serialize_with = "crate::audit::seconds")]
    pub lifetime: Duration,
}

/// Leave to read all of a sandbox's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Save;

/// A command as granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandGrant {
    /// Looked up in the sandbox's own `PATH` unless it holds a slash.
    pub program: String,
    /// What follows the program's name.
    pub arguments: Vec<String>,
    /// The sandbox's own and the command's variables, each name once, less what a policy removed; the backend adds its
    /// defaults (`PATH`, `HOME`, …) for names that are not here and not among `removed`.
    pub environment: Vec<Variable>,
    /// Names that a policy removed: not even a default may bring them back.
    pub removed: Vec<String>,
    /// Absolute; the sandbox's home where none.
    pub directory: Option<String>,
    /// A user of the sandbox's image; its unprivileged default where none.
    pub user: Option<String>,
    /// Whether standard input is a pipe; closed from the start otherwise.
    pub stdin: bool,
    /// The manager kills the process group after this long.
    pub timeout: Duration,
    /// Bytes of address space of each of its processes (`RLIMIT_AS`), where a policy narrowed memory.
    pub memory: Option<u64>,
    /// Processes of the sandbox's user (`RLIMIT_NPROC`), where a policy narrowed them.
    pub processes: Option<u32>,
}
