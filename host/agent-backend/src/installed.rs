//! Where the files are that sandboxes are made from: as the operator's variables say, or beside this program.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// What this variable names, if it says anything.
pub fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder that this program lies in.
///
/// # Errors
/// Its own path is unknown.
pub fn own_folder() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}
