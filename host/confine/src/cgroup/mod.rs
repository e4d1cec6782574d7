//! Control groups: limits of a whole sandbox, what it uses, and stopping it: cgroups(7).
//!
//! Version 2 is used for all that it has here; version 1 for controllers that are only there. A machine may have both, and
//! then each group has one directory in each hierarchy that it needs.
//!
//! ```text
//!   <hierarchy>/mimobox/<host>/          one per running host (HostGroups), locked as long as it lives
//!   <hierarchy>/mimobox/<host>/<name>/   one per sandbox (Group)
//! ```
//!
//! An ordinary user has no hierarchy of her own. Where one was delegated to her, `mimobox` is beside the host's own group.

mod control;
mod cpu;
mod error;
mod freezer;
mod group;
mod hierarchies;
mod host_groups;
mod memory;
mod processes;
mod visit;

pub use error::{CgroupError, DiscoverError};
pub use group::{Group, Usage};
pub(crate) use hierarchies::Hierarchy;
pub use hierarchies::{Controller, Hierarchies, Version};
pub(crate) use host_groups::delegated;
pub use host_groups::{HostGroups, Territory};
pub use visit::Visit;

use std::collections::BTreeSet;

use crate::Mechanism;

/// What a group is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// Bytes of memory, swap among them.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Thousandths of one core.
    pub cpu: u32,
}

/// Mechanisms that the operator lets go missing, by name. The report still says so.
pub type Tolerated = BTreeSet<Mechanism>;
