//! System call filters: seccomp(2). The host compiles them (`filters`), the agent installs them on itself, last of all.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::enforcement::{Enforcement, Mechanism};
use crate::sys;

/// One instruction of classic BPF: `struct sock_filter` of `linux/filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// Instructions to skip where its test holds.
    pub jump_true: u8,
    /// Instructions to skip where it does not.
    pub jump_false: u8,
    /// Its constant.
    pub operand: u32,
}

/// A compiled filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// For the report: `allow`, `refuse`.
    pub name: String,
    /// The program.
    pub instructions: Vec<Instruction>,
}

/// A filter was not installed.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The kernel refused it.
    #[error("failed to install the filter `{name}`")]
    Install {
        /// Which.
        name: String,
        /// Why.
        source: Errno,
    },
}

/// Installs the filters in order, for this thread and all that it will start.
pub(crate) fn install(filters: &[Filter]) -> Result<Enforcement, SeccompError> {
    for Filter { name, instructions } in filters {
        sys::install_filter(instructions)
            .map_err(|source| SeccompError::Install { name: name.clone(), source })?;
    }
    let names: Vec<_> = filters.iter().map(|filter| filter.name.as_str()).collect();
    Ok(Enforcement::enforced(Mechanism::Seccomp, format!("filters: {}", names.join(", "))))
}
