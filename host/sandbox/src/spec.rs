//! What is asked for: a sandbox, a command. Plain data, not yet allowed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// The kind of box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Linux namespaces, Landlock, seccomp and cgroups around a process tree.
    Os,
    /// A KVM microVM with a kernel of its own.
    MicroVm,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Os => "os",
            Self::MicroVm => "micro-vm",
        })
    }
}

/// A name and a value.
pub type Variable = (String, String);

/// A sandbox as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spec {
    /// The operator's default where none.
    pub isolation: Option<Isolation>,
    /// Name of an image that the operator has; the backend's default where none.
    pub image: Option<String>,
    /// How much it may use.
    pub limits: Limits,
    /// Set for every command; a later pair of the same name wins.
    pub environment: Vec<Variable>,
    /// Volumes that the operator declared, and where they go.
    pub mounts: Vec<Mount>,
    /// Destinations that processes may reach through the host's proxy.
    pub egress: Vec<EgressRule>,
    /// Destroyed after this long, whatever runs in it.
    pub lifetime: Option<Duration>,
    /// For policies, listings and the audit log.
    pub labels: Vec<(String, String)>,
}

/// A volume in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Name of a volume that the operator declared.
    pub volume: String,
    /// Absolute, in the sandbox.
    pub target: String,
    /// Whether the sandbox can only read it.
    pub read_only: bool,
}

/// One destination that processes in the sandbox may reach through the host's proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRule {
    /// `api.example.com` or `*.example.com`.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// None: every method.
    pub methods: Option<Vec<String>>,
    /// Path prefix.
    pub path: Option<String>,
    /// Name of an operator's secret that the proxy puts in.
    pub secret: Option<String>,
}

/// What to run inside a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Looked up in the sandbox's own `PATH` unless it holds a slash.
    pub program: String,
    /// What follows the program's name.
    pub arguments: Vec<String>,
    /// Added to the sandbox's environment; a later pair wins.
    pub environment: Vec<Variable>,
    /// Absolute; the sandbox's home where none.
    pub directory: Option<String>,
    /// A user of the sandbox's image; its unprivileged default where none.
    pub user: Option<String>,
    /// From start to the end of the process group; the operator's ceiling where none.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A command without arguments, to be filled in.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Appends arguments.
    pub fn arguments<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}
