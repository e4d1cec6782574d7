//! A Rust compiler for guests out of Debian's packages, for machines where rustup can fetch no target.
//!
//! ```text
//! apt-get download ─► dpkg-deb -x ─► seed: std compiled once for wasm32-unknown-unknown ─► rename into place
//! ```
//!
//! Nothing is installed and nothing outside the cache folder changes, so it needs no root beyond apt's package lists.
//! Debian's `rustc-web` is the newest compiler of a stable Debian, kept for building browsers. Its source package
//! has the matching standard library; the compiler of rustup could not use it, because std and rustc must agree.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::toolchain;
use crate::{apt, cache, process};

/// What wit-bindgen and edition 2024 need.
const OLDEST: (u32, u32) = (1, 90);
const TARGET: &str = "wasm32-unknown-unknown";

/// Where the unpacked toolchain lives; shared by every checkout.
pub(super) fn folder() -> Result<PathBuf> {
    Ok(cache::folder()?.join("wasm-rust"))
}

/// The compiler in that folder.
pub(super) fn compiler(folder: &Path) -> PathBuf {
    folder.join("rustc")
}

/// Whether an earlier run finished. The folder is renamed into place when whole, so its presence is the proof.
pub(super) fn is_ready(folder: &Path) -> bool {
    compiler(folder).is_file()
}

/// Makes the toolchain in `folder`.
pub(super) fn make(folder: &Path) -> Result<()> {
    let version = candidate()?;
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("failed to clear {}", partial.display()))?;
    }
    let made = make_in(&partial, &version).and_then(|()| {
        if is_ready(folder) {
            return Ok(()); // Another run was faster; ours is the same.
        }
        fs::rename(&partial, folder).with_context(|| format!("failed to put {} into place", folder.display()))
    });
    // Nothing is left but a whole toolchain; a failure here hides no other.
    let _ = fs::remove_dir_all(&partial);
    made
}

fn make_in(folder: &Path, version: &str) -> Result<()> {
    eprintln!("guests: [1/3] downloading Debian's rustc-web {version} (about 150 MB; nothing is installed)");
    let packages = folder.join("packages");
    apt::download(&wanted(version)?, &packages)?;

    eprintln!("guests: [2/3] unpacking");
    apt::extract(&packages, folder)?;
    fs::remove_dir_all(&packages)?;
    write_compiler(folder)?;

    eprintln!("guests: [3/3] compiling Rust's standard library for {TARGET} (1 to 2 minutes, once)");
    seed_library(folder)
}

/// The version of `rustc-web` to take. Old package lists know only an older one, so they are refreshed if possible.
fn candidate() -> Result<String> {
    if let Some(version) = newest_known()? {
        return Ok(version);
    }
    let (major, minor) = OLDEST;
    let update = "apt-get update";
    if !apt::is_root() {
        bail!(
            "there is no compiler for guests here: rustup cannot add wasm32-wasip2, and apt's lists have no rustc-web of \
             version {major}.{minor} or newer.\nRun this once, then try again:\n\n    sudo {update}\n"
        );
    }
    eprintln!("guests: apt's lists have no rustc-web >= {major}.{minor}; running {update}");
    process::output(Command::new("apt-get").arg("update")).context("failed to refresh apt's lists")?;
    newest_known()?.with_context(|| {
        format!("this Debian has no rustc-web of version {major}.{minor} or newer; install Rust by rustup")
    })
}

/// The newest version in apt's lists that is new enough. Apt lists the newest first.
fn newest_known() -> Result<Option<String>> {
    // It fails for a package that it does not know, which is an answer too.
    let Ok(records) = process::output(Command::new("apt-cache").args(["show", "rustc-web"])) else {
        return Ok(None);
    };
    Ok(fields(&records, "Version").find(|version| is_new_enough(version)).map(str::to_owned))
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split(['.', '+', '~']).map_while(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= OLDEST)
}

/// The packages that make up the compiler, each pinned to `version` where it is of the same source.
fn wanted(version: &str) -> Result<Vec<String>> {
    let library = dependency("libstd-rust-web-dev", version, "libstd-rust-web-")?;
    let llvm = dependency(&library, version, "libllvm")?;
    let mut packages: Vec<String> = ["rustc-web", "rust-web-src", "libstd-rust-web-dev", &library]
        .iter()
        .map(|package| format!("{package}={version}"))
        .collect();
    packages.push(llvm);
    Ok(packages)
}

/// The package with this prefix that `package` depends on.
fn dependency(package: &str, version: &str, prefix: &str) -> Result<String> {
    let record = process::output(Command::new("apt-cache").args(["show", &format!("{package}={version}")]))?;
    let depends = fields(&record, "Depends").next().unwrap_or_default();
    let name = depends
        .split(',')
        .filter_map(|dependency| dependency.split_whitespace().next())
        .find(|name| name.starts_with(prefix));
    name.map(str::to_owned).with_context(|| format!("{package} {version} does not depend on {prefix}…"))
}

fn fields<'a>(records: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    records.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// Debian's rustc finds its libraries by the loader's path, which must hold for rustc alone: cargo and the linker
/// are other programs with libraries of their own. So this is a script and not a variable.
fn write_compiler(folder: &Path) -> Result<()> {
    let script = "#!/bin/sh\n\
        here=$(dirname \"$(readlink -f \"$0\")\")\n\
        LD_LIBRARY_PATH=$(echo \"$here\"/usr/lib/*-linux-gnu)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n\
        export LD_LIBRARY_PATH\n\
        exec \"$here/usr/bin/rustc\" \"$@\"\n";
    let path = compiler(folder);
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Compiles std by way of an empty crate and puts the libraries into the unpacked sysroot.
fn seed_library(folder: &Path) -> Result<()> {
    let seed = folder.join("seed");
    fs::create_dir_all(seed.join("src"))?;
    fs::write(seed.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(
        seed.join("Cargo.toml"),
        "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n\
         [profile.release]\nopt-level = \"s\"\ncodegen-units = 1\n\n[workspace]\n",
    )?;
    let target = seed.join("target");
    let mut cargo = Command::new(toolchain::cargo());
    cargo
        .current_dir(&seed)
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .env("RUSTC", compiler(folder))
        .env("RUSTC_BOOTSTRAP", "1")
        // Guests are built with link-time optimisation, which needs the bitcode.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run(&mut cargo).context("failed to compile the standard library")?;

    let library = folder.join("usr/lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&library)?;
    for entry in fs::read_dir(target.join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_library = Path::new(&name).extension().is_some_and(|extension| extension == "rlib");
        if is_library && !name.to_string_lossy().starts_with("libseed") {
            fs::copy(entry.path(), library.join(&name))?;
        }
    }
    fs::remove_dir_all(&seed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{fields, is_new_enough};

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(is_new_enough("1.100.0"));
        assert!(is_new_enough("2.0.0"));
        assert!(!is_new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(!is_new_enough("nonsense"));
    }

    #[test]
    fn fields_are_read_from_every_record() {
        let records = "Package: a\nVersion: 2\n\nPackage: a\nVersion: 1\nVersioning: no\n";
        assert_eq!(fields(records, "Version").collect::<Vec<_>>(), ["2", "1"]);
    }
}
