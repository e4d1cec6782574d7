//! Sandboxes of isolation `os`: a process tree in namespaces of its own, on this machine's kernel.
//!
//! ```text
//!  OsBackend::create ─► plan (pure: grant + host root ─► steps)
//!        │               │
//!        └─► Enclosure: cgroups ─► agent in new namespaces ─► user map ─► limits ─► plan sent ─► report back
//!                │                                                                            │
//!            OsInstance ◄── agent-client over the same socket ◄───────────────────────────────┘
//!                │
//!                └ destroyed: killed, and nothing of it runs ─► undertaker clears up, off everybody's path
//! ```
//!
//! What was ordered twice is likely to be ordered again: of such the `reserve` keeps some ready made.
//!
//! The host makes only what a process cannot make for itself: the namespaces, the user map, the cgroups. All else the agent
//! does to itself by the plan, so that nothing of a sandbox's file system is ever resolved on the host. An `Enclosure` undoes
//! itself whole when it is dropped, at whichever step.

mod attachments;
mod backend;
mod config;
mod enclosure;
mod error;
mod host_root;
mod installed;
mod instance;
mod janitor;
mod plan;
mod reserve;
mod standing;
mod supplies;
mod undertaker;
mod users;

pub use backend::OsBackend;
pub use config::{BackendConfig, ImageRoots, Volume};
pub use error::NewBackendError;
pub use installed::agent_path;
pub use mimobox_confine::probe::{Finding, findings};
pub use mimobox_confine::{Access, Mechanism};
