//! Linux confinement, one file a mechanism.
//!
//! Two programs use this crate. The **host** looks at what the kernel has ([`probe`]), writes a [`Plan`], starts the agent
//! in new namespaces ([`launch`]) and holds its limits ([`cgroup`]). The **agent**, static and small, receives the plan and
//! carries it out on itself ([`apply`]): nobody else can, since a process gives up rights only for itself.
//!
//! ```text
//!   host                                            agent, pid 1 of its namespaces
//!     probe ─► Plan ─► launch ── clone3, exec ──────► waits for the plan
//!              │         └─ user map, cgroup          │
//!              └──────────── plan, over a socket ────► apply: root, mounts, limits, capabilities, Landlock, seccomp
//!                ◄────────── report ─────────────────┘
//! ```
//!
//! Each mechanism says how far it is in force ([`Enforcement`]) and has an error of its own with one variant a step.
//! Everything unsafe is in `sys`.

mod apply;
mod capabilities;
#[cfg(feature = "host")]
pub mod cgroup;
pub mod channel;
mod enforcement;
#[cfg(feature = "host")]
mod filters;
#[cfg(feature = "host")]
mod idmap;
mod image;
mod inside;
mod landlock;
#[cfg(feature = "host")]
pub mod launch;
mod mounts;
mod namespaces;
#[cfg(feature = "host")]
mod ownership;
mod plan;
#[cfg(feature = "host")]
pub mod probe;
mod reap;
mod rlimit;
mod seccomp;
mod sys;

pub use apply::{Applied, Failure, Report, apply};
pub use capabilities::{CapabilityError, empty_bounding_set, give_up_capabilities};
pub use enforcement::{Enforcement, Mechanism, Status};
#[cfg(feature = "host")]
pub use filters::{FilterError, compile as compile_filters, compile_for_volumes as compile_volume_filters};
#[cfg(feature = "host")]
pub use idmap::{Caller, IdMap, IdMapError, IdRange, Subordinates, map_ids};
pub use landlock::{LandlockError, PathRights, PathRule};
pub use mounts::MountError;
#[cfg(feature = "host")]
pub use mounts::{Access, detach as detach_mount};
pub use namespaces::NamespaceError;
#[cfg(feature = "host")]
pub use ownership::{MountUsers, OwnershipError, hand_over};
pub use plan::{Account, Masks, Owner, Plan, Step};
pub use reap::{ReapError, empty_and_remove};
pub use rlimit::{ResourceLimit, ResourceLimitError};
pub use seccomp::{Filter, Instruction, SeccompError};
