//! The WIT adapter of mimobox-host: what a component sees of the domain, and what the host sees of a component.
//!
//! ```text
//! bytes ─► Component ─┬─► Runner ────── run(Run, Invocation) ─► exit code      Run ─► Sandbox ─► Process
//!                     │     │ imports ⊆ what this host has ∩ Grants              ▲        ▲         ▲
//!                     │     └ host/<interface>.rs, one a WIT interface ──────────┴────────┴─────────┘
//!                     └─► PolicyGuest ─ decide(Event) ─► Verdict               imports nothing, fresh instance, metered
//! ```
//!
//! WebAssembly lives here and only here; what a sandbox is, and who may have one, is the business of `mimobox-sandbox`.
//! A component is hostile: it is refused by name for what it may not import, and while it runs its memory, time, handles,
//! calls and log lines are bounded. What goes wrong in it is its own end and never the host's.

mod answer;
mod bindings;
mod cache;
mod component;
mod convert;
mod ctx;
mod deadline;
mod engine;
mod escaped;
mod flow;
mod grants;
mod host;
mod limiter;
mod orchestrator;
mod policy_guest;
mod prepare;
mod presence;
mod request;
mod stdio;

pub use cache::CacheError;
pub use component::{Component, ReadError};
pub use engine::{Engine, EngineConfig, EngineError};
pub use grants::{Grants, HostInterface, ImportsRefused, UnknownInterface};
pub use orchestrator::{Invocation, RunError, RunLimits, Runner, Trap};
pub use policy_guest::{PolicyGuest, PolicyLimits};
pub use prepare::{Cause, PrepareError};
pub use request::{Item, ItemKind, Purpose, Request};
pub use stdio::{Sink, Stdio};
