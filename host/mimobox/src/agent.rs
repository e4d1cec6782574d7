//! Where the agent's program is: beside this one, unless somebody says otherwise.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::host::StartHostError;

const VARIABLE: &str = "MIMOBOX_AGENT";
const FILE_NAME: &str = "mimobox-agent";

/// Reads the agent: `$MIMOBOX_AGENT`, or `mimobox-agent` beside this program.
pub(crate) fn read() -> Result<Vec<u8>, StartHostError> {
    let named = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = match named {
        Some(path) => path,
        None => {
            let own = env::current_exe().map_err(StartHostError::OwnPlace)?;
            own.parent().unwrap_or(Path::new("/")).join(FILE_NAME)
        }
    };
    fs::read(&path).map_err(|source| StartHostError::Agent { path, source })
}
