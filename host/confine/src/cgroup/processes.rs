//! The limit on processes and threads.

use super::control::ControlFiles;
use super::error::CgroupError;
use crate::enforcement::{Enforcement, Mechanism};

/// Sets it. Both versions call it the same.
pub(crate) fn limit(files: &ControlFiles, processes: u32) -> Result<Enforcement, CgroupError> {
    files.write("pids.max", processes)?;
    Ok(Enforcement::enforced(Mechanism::ProcessesLimit, format!("{processes} processes and threads")))
}

/// How many there are.
pub(crate) fn current(files: &ControlFiles) -> Result<u64, CgroupError> {
    files.read_number("pids.current")
}
