//! What a policy is asked, and what it may answer. The words are those of `wit/policy/policy.wit`.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Serialize;

use crate::spec::Variable;

/// Decides about one operation. It sees the event and nothing else, so that a decision can be replayed.
#[async_trait]
pub trait Policy: Send + Sync {
    /// Its name in the operator's configuration, for the audit log.
    fn name(&self) -> &str;

    /// Allows, narrows or denies. Must come back by itself within the operator's deadline.
    ///
    /// # Errors
    /// Whatever keeps it from deciding. The operation is then denied by the rule `policy-failed`.
    async fn decide(&self, event: &Event) -> Result<Verdict, PolicyFailure>;
}

/// Why a policy gave no verdict. For the operator's log; the caller learns only that it failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("policy {policy}: {cause}")]
pub struct PolicyFailure {
    /// The policy's name.
    pub policy: String,
    /// What happened: a trap, out of fuel, past its deadline.
    pub cause: String,
}

/// An operation that somebody asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Who asks.
    pub subject: Subject,
    /// What for.
    pub operation: Operation,
    /// When.
    #[serde(serialize_with = "crate::audit::unix_time")]
    pub time: SystemTime,
    /// What this run has done so far.
    pub history: History,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The component's name in the operator's configuration; `mimobox-host` for the command line itself.
    pub component: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// The sandbox that the operation is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// That sandbox's isolation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// That sandbox's labels; those that are asked for where it is to be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
}

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// Sandboxes that it has now.
    pub sandboxes: u32,
    /// Commands that it started.
    pub commands: u64,
    /// Requests that it sent.
    pub requests: u64,
    /// Refusals that it met.
    pub denials: u64,
}

/// What is asked for. Those of the policy package that this host can carry out so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Make a sandbox.
    Create(Creation),
    /// Run a command.
    Execute(Execution),
    /// Do something with a file. A rename is two: one of each path.
    File(File),
    /// Save a sandbox.
    TakeSnapshot,
    /// Make a sandbox of this snapshot, or read it. The new sandbox's creation is asked for too.
    RestoreSnapshot(String),
    /// Multiply a sandbox by so much. Each child's creation is asked for too.
    Fork(u32),
    /// Send this signal to a process group.
    Signal(u8),
}

impl Operation {
    /// A stable name, for the audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Execute(_) => "execute",
            Self::File(_) => "file",
            Self::TakeSnapshot => "take-snapshot",
            Self::RestoreSnapshot(_) => "restore-snapshot",
            Self::Fork(_) => "fork",
            Self::Signal(_) => "signal",
        }
    }
}

/// A sandbox as it would be: the ceiling's limits stand where none were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Creation {
    /// `os` or `micro-vm`.
    pub isolation: String,
    /// Name of the image.
    pub image: String,
    /// Bytes.
    pub memory: u64,
    /// Thousandths of one core.
    pub cpu: u32,
    /// Processes and threads at once.
    pub processes: u32,
    /// Names of the volumes.
    pub volumes: Vec<String>,
    /// Hosts of the egress rules.
    pub hosts: Vec<String>,
}

/// A command as it would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Execution {
    /// As asked for.
    pub program: String,
    /// What follows the program's name.
    pub arguments: Vec<String>,
    /// The sandbox's variables and the command's. The audit log has the names alone: values may be secrets.
    #[serde(serialize_with = "crate::audit::names")]
    pub environment: Vec<Variable>,
    /// Absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// A user of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it gets a terminal.
    pub terminal: bool,
}

/// A file, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Absolute, as asked for: links in it are the sandbox's.
    pub path: String,
    /// What for.
    pub access: FileAccess,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAccess {
    /// Its bytes, its entry, or the list of a directory.
    Read,
    /// New bytes, a new directory, or a new name.
    Write,
    /// Its end, or the end of its old name.
    Remove,
    /// Word of its changes.
    Watch,
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it says.
    pub effect: Effect,
    /// Stable name of the rule that decided.
    pub rule: String,
    /// One sentence, for people.
    pub reason: String,
}

/// What a verdict says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// As asked for.
    Allow,
    /// Less than asked for.
    Narrow(Narrowing),
    /// Not at all.
    Deny,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Narrow(_) => "narrow",
            Self::Deny => "deny",
        })
    }
}

/// Each one set tightens; none can loosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Of a command; of a sandbox, its lifetime.
    pub timeout: Option<Duration>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Thousandths of one core.
    pub cpu: Option<u32>,
    /// Processes and threads at once.
    pub processes: Option<u32>,
    /// The hosts that stay, of those asked for.
    pub hosts: Option<Vec<String>>,
    /// Names of variables to leave out.
    pub remove_environment: Vec<String>,
    /// Children that a fork may have.
    pub count: Option<u32>,
}
