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
    pub(crate) files: Vec<Files<'a>>,
}

/// Operations other than making a sandbox, running a command and working on files, which have rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OperationKind {
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

/// Files, and what may be done with them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Files<'a> {
    /// The rule's name.
    pub(crate) rule: &'a str,
    /// Patterns of their paths.
    #[serde(borrow)]
    pub(crate) paths: Vec<&'a str>,
    pub(crate) access: Vec<Access>,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    Read,
    Write,
    Remove,
    Watch,
}
