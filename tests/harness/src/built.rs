//! Where the build has put things: `cargo xtask test` says so by environment variables; without them they are looked for
//! beside the test program.

use std::path::{Path, PathBuf};

/// The target folder's `release`: test programs lie in its `deps`.
fn release() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().unwrap();
    if folder.ends_with("deps") { folder.parent().unwrap().to_owned() } else { folder.to_owned() }
}

fn existing(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} is not there; `{how}` builds it", path.display());
    path
}

/// The static agent.
pub fn agent() -> PathBuf {
    let named = std::env::var_os("MIMOBOX_AGENT").map(PathBuf::from);
    existing(named.unwrap_or_else(|| program_path("mimobox-agent")), "cargo xtask test")
}

/// A program of this workspace, such as `mimobox-host`.
pub fn program(name: &str) -> PathBuf {
    existing(program_path(name), "cargo build --release")
}

fn program_path(name: &str) -> PathBuf {
    release().join(name)
}

/// A guest component, by the name of its package.
pub fn component(name: &str) -> PathBuf {
    let folder = std::env::var_os("MIMOBOX_COMPONENTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| release().parent().map(Path::to_owned).unwrap().join("components"));
    existing(folder.join(format!("{name}.wasm")), "cargo xtask guests")
}
