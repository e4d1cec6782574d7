//! The audit log: what was asked for, who allowed or refused it, and how it ended.
//!
//! It is no telemetry. An entry is written before the effect that it speaks of, and an entry that cannot be written
//! refuses the operation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::backend::{ExitStatus, SandboxId};
use crate::enforcement::Enforcement;
use crate::grant::SandboxGrant;
use crate::policy::{Operation, Subject};

/// Where entries go.
pub trait AuditSink: Send + Sync {
    /// Writes one entry, whole, before it returns.
    ///
    /// # Errors
    /// The sink cannot take it; the operation must not happen.
    fn record(&self, entry: &Entry<'_>) -> Result<(), AuditFailure>;
}

/// Why the sink could not take an entry.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the audit log")]
pub struct AuditFailure(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// One entry. A closed list: what is not here is not audited, and nothing has an effect that is not audited.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry<'a> {
    /// Somebody asks for an operation, and this is what was decided. Written before any effect.
    Requested {
        /// When.
        #[serde(serialize_with = "unix_time")]
        time: SystemTime,
        /// Ties it to its `finished`.
        operation: u64,
        /// Who.
        subject: &'a Subject,
        /// What for.
        request: &'a Operation,
        /// What was decided, and by whom.
        decision: &'a Decision,
    },
    /// A sandbox is there.
    Created {
        /// When.
        #[serde(serialize_with = "unix_time")]
        time: SystemTime,
        /// Of the `requested` entry.
        operation: u64,
        /// Its name.
        sandbox: &'a SandboxId,
        /// What it was granted.
        grant: &'a SandboxGrant,
        /// What the kernel holds.
        enforcement: &'a [Enforcement],
    },
    /// An operation is over.
    Finished {
        /// When.
        #[serde(serialize_with = "unix_time")]
        time: SystemTime,
        /// Of the `requested` entry.
        operation: u64,
        /// How a command ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<ExitStatus>,
        /// The code of the error that it ended with.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        /// Bytes of standard input, output and error, or of a file, that passed.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<Bytes>,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        duration: Duration,
    },
    /// Something about a sandbox that no policy is asked about: it may only shrink what there is.
    Changed {
        /// When.
        #[serde(serialize_with = "unix_time")]
        time: SystemTime,
        /// Which one.
        sandbox: &'a SandboxId,
        /// What happens to it.
        change: Change,
    },
}

/// What was decided about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// `allow`, `narrow` or `deny`.
    pub effect: &'static str,
    /// The rules that spoke, in order: of the ceiling, then of each policy.
    pub rules: Vec<RuleSpoke>,
}

/// One rule's part in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleSpoke {
    /// `ceiling`, or the policy's name.
    pub by: String,
    /// The rule's name.
    pub rule: String,
    /// One sentence.
    pub reason: String,
}

/// How many bytes passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// To the process, or to the file.
    pub stdin: u64,
    /// From its standard output, or from the file.
    pub stdout: u64,
    /// From its standard error.
    pub stderr: u64,
}

/// What happens to a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Stopped where it stands.
    Pausing,
    /// Goes on.
    Resuming,
    /// Taken from a pool.
    Acquired,
    /// Its lifetime is over.
    Expired,
    /// Its owner ends it.
    Closing,
    /// It ended by itself.
    Died,
    /// A failure left it in an unknown state.
    Poisoned,
}

/// Seconds since the Unix epoch, with a fraction.
pub(crate) fn unix_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

/// Seconds, with a fraction.
pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// The names of variables, without their values.
pub(crate) fn names<S: Serializer>(variables: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(variables.iter().map(|(name, _)| name))
}
