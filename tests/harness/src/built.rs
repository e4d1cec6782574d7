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

/// The VMM's program.
pub fn vmm() -> PathBuf {
    named_or("MIMOBOX_VMM", || program_path("mimobox-vmm"), "cargo build --release")
}

/// The kernel of microVMs.
pub fn kernel() -> PathBuf {
    named_or("MIMOBOX_KERNEL", || guest_folder().join("vmlinux"), "cargo xtask kernel")
}

/// The base image of microVMs.
pub fn base_image() -> PathBuf {
    named_or("MIMOBOX_BASE_IMAGE", || guest_folder().join("base.erofs"), "cargo xtask base-image")
}

/// What microVMs of tests start from, kept from one run to the next: booting takes half a minute on some machines.
pub fn templates() -> PathBuf {
    guest_folder().join("templates")
}

fn guest_folder() -> PathBuf {
    release().parent().map(Path::to_owned).unwrap().join("guest")
}

fn named_or(variable: &str, built: impl FnOnce() -> PathBuf, how: &str) -> PathBuf {
    existing(std::env::var_os(variable).map_or_else(built, PathBuf::from), how)
}
