//! The agent's program, from where it is installed.

use std::fs;
use std::io;
use std::path::PathBuf;

use mimobox_backend_os::agent_path;

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("failed to find out where this program lies")]
    OwnPlace(#[source] io::Error),
    #[error(
        "failed to read the sandboxes' agent {path}: build it with `cargo xtask demo`, or name it in $MIMOBOX_AGENT",
        path = .path.display()
    )]
    Read { path: PathBuf, source: io::Error },
}

/// Reads it.
pub(crate) fn read() -> Result<Vec<u8>, AgentError> {
    let path = agent_path().map_err(AgentError::OwnPlace)?;
    fs::read(&path).map_err(|source| AgentError::Read { path, source })
}
