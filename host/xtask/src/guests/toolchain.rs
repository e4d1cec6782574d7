//! Which compiler builds the guests. Tried in this order, and the one taken is said aloud:
//!
//! 1. the user's rustc, if it has a standard library for `wasm32-wasip2`;
//! 2. the rustc that an earlier run unpacked from Debian's packages;
//! 3. `rustup target add wasm32-wasip2`;
//! 4. unpacking that rustc now (see [`debian`]).
//!
//! `--compiler` names one of the two, so that both can be proved on one machine.
//! Guests behave the same either way: they take time, randomness and printing from their world, never from std.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian;
use crate::process;

const WASI: &str = "wasm32-wasip2";
const BARE: &str = "wasm32-unknown-unknown";

/// The way that was taken.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// The user's own rustc and its standard library for WASI.
    Installed,
    /// Debian's `rustc-web`, unpacked in this folder, with the linker of the user's toolchain.
    Unpacked(PathBuf),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => write!(f, "built by your rustc for {WASI}"),
            Self::Unpacked(folder) => {
                write!(f, "built by Debian's rustc-web in {} for {BARE}", folder.display())
            }
        }
    }
}

impl Route {
    /// The target triple of this way.
    pub(super) fn target(&self) -> &'static str {
        match self {
            Self::Installed => WASI,
            Self::Unpacked(_) => BARE,
        }
    }

    /// A cargo command that builds the guests' workspace; the caller adds the packages.
    pub(super) fn cargo_build(&self, workspace: &Path, target_folder: &Path) -> Result<Command> {
        let mut command = Command::new(cargo());
        command.current_dir(workspace).args(["build", "--release", "--locked", "--target", self.target()]);
        command.arg("--target-dir").arg(target_folder);
        // These are meant for the host's own code, and a guest built with them would differ from everybody else's.
        for variable in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET"]
        {
            command.env_remove(variable);
        }
        if let Self::Unpacked(folder) = self {
            let tools = linker_folder()?;
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = [tools.clone(), tools.join("gcc-ld")].into_iter().chain(std::env::split_paths(&path));
            command
                .env("PATH", std::env::join_paths(path).context("PATH cannot be extended")?)
                .env("RUSTC", debian::compiler(folder))
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", tools.join("wasm-component-ld"));
        }
        Ok(command)
    }
}

/// A compiler to insist on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Compiler {
    /// The rustc in use, with its wasm32-wasip2 target
    Rustup,
    /// Debian's rustc-web, unpacked in the cache folder
    Debian,
}

/// Finds a toolchain that can compile guests, or makes one.
pub(super) fn find_or_make(wanted: Option<Compiler>) -> Result<Route> {
    let folder = debian::folder()?;
    if wanted != Some(Compiler::Debian) && has_wasi_library()? {
        return Ok(Route::Installed);
    }
    if wanted != Some(Compiler::Rustup) && debian::is_ready(&folder) {
        return Ok(Route::Unpacked(folder));
    }
    if wanted != Some(Compiler::Debian) && add_wasi_library()? {
        return Ok(Route::Installed);
    }
    if wanted == Some(Compiler::Rustup) {
        bail!("the rustc in use has no {WASI}");
    }
    debian::make(&folder)?;
    Ok(Route::Unpacked(folder))
}

/// Asks rustup for the target; says why where that gives nothing.
fn add_wasi_library() -> Result<bool> {
    eprintln!("guests: your rustc has no {WASI}; trying `rustup target add {WASI}`");
    match process::output(Command::new("rustup").args(["target", "add", WASI])) {
        Ok(_) if has_wasi_library()? => return Ok(true),
        Ok(_) => eprintln!("guests: rustup added it for another toolchain than the one in use"),
        Err(error) => eprintln!("guests: that did not work: {}", first_line(&format!("{error:#}"))),
    }
    Ok(false)
}

/// The cargo that runs this task, so that both use one toolchain.
pub(super) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Rustc names the folder of a target that it knows whether or not its library is there.
fn has_wasi_library() -> Result<bool> {
    let folder = ask_rustc(&["--print", "target-libdir", "--target", WASI])?;
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    }))
}

/// The folder of the user's toolchain with `wasm-component-ld`, which makes a component of a core module.
fn linker_folder() -> Result<PathBuf> {
    let version = ask_rustc(&["--version", "--verbose"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let sysroot = ask_rustc(&["--print", "sysroot"])?;
    let folder = PathBuf::from(sysroot).join("lib/rustlib").join(host).join("bin");
    if !folder.join("wasm-component-ld").is_file() {
        bail!(
            "the Rust toolchain in use has no wasm-component-ld in {}: install Rust by rustup",
            folder.display()
        );
    }
    Ok(folder)
}

fn ask_rustc(arguments: &[&str]) -> Result<String> {
    let answer = process::output(Command::new("rustc").args(arguments))?;
    Ok(answer.trim_end().to_owned())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
