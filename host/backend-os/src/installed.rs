//! Where the agent's program is, unless somebody says otherwise.

use std::io;
use std::path::PathBuf;

use mimobox_agent_backend::installed::{named_by, own_folder};

const VARIABLE: &str = "MIMOBOX_AGENT";
const FILE_NAME: &str = "mimobox-agent";

/// `$MIMOBOX_AGENT`, or `mimobox-agent` beside this program.
///
/// # Errors
/// This program's own path is unknown.
pub fn agent_path() -> io::Result<PathBuf> {
    match named_by(VARIABLE) {
        Some(path) => Ok(path),
        None => Ok(own_folder()?.join(FILE_NAME)),
    }
}
