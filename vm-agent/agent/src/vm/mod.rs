//! The agent as pid 1 of a microVM: makes the guest a sandbox, then relays between its host and an agent that serves in it.
//!
//! ```text
//!   kernel ─► init: mounts, loopback, listeners, the agent's process  ── the state that a template of the machine keeps ──
//!          ─► the host connects ─► SetUp: clock, entropy, name, root, volumes, limit ─► SetUpAnswer
//!          ─► relay, until the host closes the connection ─► power off
//! ```
//!
//! The agent is another process of this program, so that it is the same code as in an OS sandbox, on a socketpair like there.
//! It is forked before the host connects: that is the dearest call of all, and so a template has it done. It waits for what
//! `begin` tells it.

mod begin;
mod relay;
mod serve;

pub(crate) use serve::relay_only;
