//! What every backend whose sandboxes have an agent shares: the domain's words in the agent's, and back.
//!
//! ```text
//!   Instance of a backend ─┬─► SandboxProcesses ─┐
//!                          └─► SandboxFiles ─────┴─► agent-client ─► agent, in whatever box the backend made
//! ```
//!
//! What differs from one kind of box to the next (how it is made, measured, paused and ended) is the backend's own.

#![forbid(unsafe_code)]

mod command;
mod destruction;
mod enforcement;
mod error;
mod files;
pub mod installed;
mod processes;

pub use destruction::Destruction;
pub use enforcement::reported;
pub use error::without_effect;
pub use files::SandboxFiles;
pub use processes::{MemoryKills, SandboxProcesses};
