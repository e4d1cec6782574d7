//! Where the agent's program is: beside this one, unless the operator says otherwise.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "MIMOBOX_AGENT";
const FILE_NAME: &str = "mimobox-agent";

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

/// Reads the agent: `$MIMOBOX_AGENT`, or `mimobox-agent` beside this program.
pub(crate) fn read() -> Result<Vec<u8>, AgentError> {
    let named = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = match named {
        Some(path) => path,
        None => {
            let own = env::current_exe().map_err(AgentError::OwnPlace)?;
            own.parent().unwrap_or(Path::new("/")).join(FILE_NAME)
        }
    };
    fs::read(&path).map_err(|source| AgentError::Read { path, source })
}
