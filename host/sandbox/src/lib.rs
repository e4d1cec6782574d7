//! The domain of mimobox-host: what a sandbox is, who may do what with it, and what is written down about it.
//!
//! ```text
//! Manager ─ begin ─► Run ─ create ─► Sandbox ─ spawn ─► Process
//!    │ ceiling ∩ policies ─► audit log ─► Authorized<grant>     ├ open_terminal ─► Session
//!    ▼                                                         └ read_file … ─► Reading, Writing, Watching
//! trait Backend ─ create ─► trait Instance ─ spawn ─► streams and trait Control
//! ```
//!
//! No WebAssembly, no KVM, no system call and no file lives here. What asks is a [`Run`]; what is asked for is a [`Spec`] or
//! a [`Command`]; what was allowed is an [`Authorized`] grant, which only this crate can make and which is all that a
//! [`Backend`] takes. So authority only shrinks: request ⊆ ceiling ∩ every policy's verdict, decided and written to the
//! audit log before any effect.
//!
//! The `fake` module is a backend in memory, for every test that needs no privileges.

mod audit;
mod authority;
mod backend;
mod ceiling;
mod counted;
mod enforcement;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod files;
mod grant;
mod lifecycle;
mod limits;
mod manager;
mod narrow;
mod parked;
mod policy;
mod pool;
mod process;
mod run;
mod sandbox;
mod saving;
mod session;
mod snapshot;
mod spec;
mod start;
mod validate;

pub use audit::{AuditFailure, AuditSink, Bytes, Change, Decision, Entry, RuleSpoke};
pub use backend::{
    Backend, Control, Created, ExitStatus, Input, Instance, Opened, Output, SandboxId, Signal, Spawned,
    Terminal, TerminalSize, Usage,
};
pub use ceiling::{Access, Ceiling};
pub use enforcement::{Enforcement, EnforcementStatus};
pub use error::{Denial, Error, FailureId, Result};
pub use files::{
    ChangeKind, Changes, FileChange, FileEntry, FileKind, FileTask, Files, MakeDirectory, ReadFile, Reading,
    Remove, Rename, Watch, Watching, Work, WriteFile, Writing,
};
pub use grant::{Authorized, CommandGrant, SandboxGrant, Save};
pub use lifecycle::State;
pub use limits::{GrantedLimits, Limits};
pub use manager::{Manager, Parts};
pub use policy::{
    Creation, Effect, Event, Execution, File, FileAccess, History, Narrowing, Operation, Policy,
    PolicyFailure, Subject, Verdict,
};
pub use pool::{Pool, Source};
pub use process::Process;
pub use run::Run;
pub use sandbox::{Finished, Sandbox};
pub use session::Session;
pub use snapshot::{Draft, Record, Snapshot, SnapshotId, SnapshotStore, Stored};
pub use spec::{Command, EgressRule, Isolation, Mount, Spec, Variable};
