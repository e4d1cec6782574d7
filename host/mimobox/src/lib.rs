//! Runs untrusted programs in sandboxes, from a Rust program.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mimobox::Error> {
//! # if !mimobox_harness::can_sandbox() { return Ok(()); }
//! let sandbox = mimobox::Sandbox::new().await?;
//! let result = sandbox.execute("echo hello").await?;
//! assert_eq!(result.stdout_text(), "hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Sandbox`] takes commands one after another or at once: [`execute`](Sandbox::execute) and [`run`](Sandbox::run) wait for
//! the end, [`stream_execute`](Sandbox::stream_execute) gives the output as it comes, [`spawn`](Sandbox::spawn) leaves a
//! [`Process`] in the background, [`create_pty`](Sandbox::create_pty) puts one on a terminal, and [`files`](Sandbox::files)
//! reads and writes what they work on. [`snapshot`](Sandbox::snapshot) saves it, [`restore`](Sandbox::restore) brings it back,
//! and [`fork`](Sandbox::fork) multiplies it. A [`Config`] says what a sandbox may use. [`blocking`] is the same without `async`.
//!
//! What a sandbox may do is decided by the program's [`Host`]: its ceiling, its policies, and an audit log that has every
//! request before it has an effect. What cannot be enforced on this machine is refused; [`Sandbox::enforcement`] says what is
//! in force. A sandbox has no way out to any network.
//!
//! It takes Linux, root, cgroups, and the sandboxes' agent: the program `mimobox-agent`, beside this one, named in
//! `$MIMOBOX_AGENT`, or [given as bytes](ConfigBuilder::agent).
#![forbid(unsafe_code)]

pub mod blocking;
mod command;
mod config;
mod error;
mod files;
mod host;
mod pool;
mod process;
mod pty;
mod result;
mod sandbox;
mod snapshot;
mod stream;

pub use command::Command;
pub use config::{Config, ConfigBuilder};
pub use error::{Error, Result};
pub use files::{FileWatch, Files};
pub use host::{Host, HostBuilder, StartHostError, moderate_ceiling};
pub use mimobox_state::{AuditFile, FolderError, OpenAuditError};
pub use pool::{RestorePool, RestorePoolConfig};
pub use process::{Process, ProcessInfo, ProcessInput, ProcessOutput};
pub use pty::{PtyOutput, PtySession};
pub use result::ExecuteResult;
pub use sandbox::Sandbox;
pub use snapshot::SandboxSnapshot;
pub use stream::{StreamEvent, StreamReceiver};

pub use mimobox_sandbox::{
    Access, AuditFailure, AuditSink, Ceiling, ChangeKind, Denial, Effect, Enforcement, EnforcementStatus,
    Entry, Event, ExitStatus, FileChange, FileEntry, FileKind, GrantedLimits, Isolation, Narrowing,
    Operation, Policy, PolicyFailure, ReadFile, Reading, SandboxGrant, SandboxId, Signal, SnapshotId, State,
    Usage, Verdict, WriteFile, Writing,
};
