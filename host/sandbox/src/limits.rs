//! How much a sandbox may use: as asked for, and as granted.

use serde::{Deserialize, Serialize};

/// Limits as asked for: the operator's ceiling stands in where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Thousandths of one core.
    pub cpu: Option<u32>,
    /// Processes and threads at once.
    pub processes: Option<u32>,
    /// Bytes that the sandbox may write to its own file system.
    pub disk: Option<u64>,
}

/// Limits as they are to be in force: each one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GrantedLimits {
    /// Bytes of memory.
    pub memory: u64,
    /// Thousandths of one core.
    pub cpu: u32,
    /// Processes and threads at once.
    pub processes: u32,
    /// Bytes that the sandbox may write to its own file system.
    pub disk: u64,
}
