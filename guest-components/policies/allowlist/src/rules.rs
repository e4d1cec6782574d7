//! The rules in the form that the component carries: names of `rules.toml`, numbers without units.
//! The build script writes it, the policy reads it.

extern crate alloc;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// All that is allowed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rules<'a> {
    /// Operations that are allowed as asked.
    pub(crate) operations: Vec<OperationKind>,
    /// Patterns of the environment variables that a command may have.
    #[serde(borrow)]
    pub(crate) variables: Vec<&'a str>,
    pub(crate) create: Create<'a>,
    /// The first that fits decides.
    pub(crate) programs: Vec<Program<'a>>,
}

/// Operations other than making a sandbox and running a command, which have rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OperationKind {
    File,
    Http,
    Connect,
    TakeSnapshot,
    RestoreSnapshot,
    Fork,
    Signal,
}

/// What sandboxes may be made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Create<'a> {
    #[serde(borrow)]
    pub(crate) isolation: Vec<&'a str>,
    pub(crate) images: Vec<&'a str>,
    pub(crate) volumes: Vec<&'a str>,
    /// Patterns.
    pub(crate) hosts: Vec<&'a str>,
    /// At once.
    pub(crate) sandboxes: Option<u32>,
    /// Bytes.
    pub(crate) memory: Option<u64>,
    /// Thousandths of one core.
    pub(crate) cpu: Option<u32>,
    pub(crate) processes: Option<u32>,
    /// Nanoseconds.
    pub(crate) lifetime: Option<u64>,
}

/// A program that may be started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Program<'a> {
    /// The rule's name.
    pub(crate) rule: &'a str,
    /// Pattern.
    pub(crate) name: &'a str,
    /// A pattern for each of the first arguments.
    #[serde(borrow)]
    pub(crate) arguments: Vec<&'a str>,
    /// Whether any others may follow.
    pub(crate) more_arguments: bool,
    /// Users that it may run as, besides the sandbox's own.
    pub(crate) users: Vec<&'a str>,
    pub(crate) terminal: bool,
    /// Nanoseconds.
    pub(crate) timeout: Option<u64>,
    /// Bytes.
    pub(crate) memory: Option<u64>,
    pub(crate) processes: Option<u32>,
}
