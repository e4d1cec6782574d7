//! The guest's kernel: Debian's source, our patches and configuration, compiled once and kept.
//!
//! ```text
//! inputs ─ digest ─► kept? ─ yes ───────────────────────────────────────┐
//!                     no                                                ▼
//!   apt download ─► patch ─► configure ─► compile ─► <cache>/kernel/<digest>/vmlinux ─► <target>/guest/vmlinux
//! ```
//!
//! What goes into it lies in `vm-agent/kernel`. The build names no user, machine, time or folder. Callers: `cargo xtask kernel`, and every task that makes microVMs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::{apt, cache, machine, process, workspace};

mod compile;
mod configuration;
mod source;

/// Names a kernel of the user's own, which is then taken as it is.
pub(crate) const VARIABLE: &str = "MIMOBOX_KERNEL";

/// What a kernel is made of.
struct Inputs {
    /// `vm-agent/kernel`.
    folder: PathBuf,
    /// Of Debian's source package.
    version: String,
    /// In the order in which they are applied.
    patches: Vec<PathBuf>,
    /// Over all of the above, the compiler and the way it is called.
    digest: String,
}

/// Builds the kernel, unless one of the same inputs is kept. Gives its path.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    if let Some(own) = std::env::var_os(VARIABLE).filter(|own| !own.is_empty()) {
        eprintln!("kernel: {} ({VARIABLE})", Path::new(&own).display());
        return Ok(own.into());
    }
    let folder = root.join("vm-agent/kernel");
    let cache = cache::folder()?.join("kernel");
    let mut inputs = Inputs::gather(&folder)?;
    if !inputs.kept(&cache).is_file() {
        machine::prepare_for_kernel()?;
        apt::refresh();
        inputs = Inputs::gather(&folder)?;
    }
    let kept = inputs.kept(&cache);
    if !kept.is_file() {
        fs::create_dir_all(&cache).with_context(|| format!("failed to make {}", cache.display()))?;
        let lock = File::create(cache.join("lock")).context("failed to make the kernel cache's lock")?;
        lock.lock().context("failed to lock the kernel cache")?;
        // Whoever had the lock may have made the same one.
        if !kept.is_file() {
            make(&inputs, &cache)?;
        }
    }
    let kernel = fs::read(&kept).with_context(|| format!("failed to read {}", kept.display()))?;
    let beside = workspace::target(root).join("guest/vmlinux");
    workspace::write_if_changed(&beside, &kernel)?;
    eprintln!("kernel: {} (Linux {}, kept in {})", beside.display(), inputs.version, cache.display());
    Ok(beside)
}

/// Makes the kernel in a folder of the cache, which is renamed when it is whole.
fn make(inputs: &Inputs, cache: &Path) -> Result<()> {
    eprintln!(
        "kernel: none is kept for these inputs; making one takes about five minutes on two processors and 2 GB of disk"
    );
    let place = cache.join("making");
    clear(&place)?;
    let made = make_in(inputs, &place);
    let published = made.and_then(|vmlinux| {
        let whole = place.join("whole");
        fs::create_dir_all(&whole)?;
        fs::rename(vmlinux, whole.join("vmlinux"))?;
        fs::rename(whole, cache.join(&inputs.digest)).context("failed to put the kernel into place")
    });
    // What went wrong is more to the point than what could not be cleared.
    let cleared = clear(&place);
    published.and(cleared)
}

fn make_in(inputs: &Inputs, place: &Path) -> Result<PathBuf> {
    eprintln!(
        "kernel: [1/4] downloading Debian's source of Linux {} (150 MB; nothing is installed)",
        inputs.version
    );
    let tree = source::unpack(&inputs.version, place)?;
    eprintln!("kernel: [2/4] applying {} patches", inputs.patches.len());
    source::patch(&tree, &inputs.patches)?;
    eprintln!("kernel: [3/4] configuring");
    configuration::configure(&tree, &inputs.folder.join("config"))?;
    eprintln!("kernel: [4/4] compiling");
    compile::compile(&tree)
}

impl Inputs {
    fn gather(folder: &Path) -> Result<Self> {
        let version = apt::candidate_or_refresh(
            source::PACKAGE,
            "the guest's kernel is built from it; Debian 12 has it among its security updates, and another kernel can be \
             named by MIMOBOX_KERNEL",
        )?;
        let mut patches: Vec<PathBuf> = fs::read_dir(folder.join("patches"))
            .with_context(|| format!("failed to list {}", folder.join("patches").display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        patches.sort();

        let compiler = process::output(Command::new("gcc").arg("--version"))?;
        let mut digest = Sha256::new();
        for part in [source::PACKAGE, &version, &compiler, compile::RECIPE] {
            add(&mut digest, part.as_bytes());
        }
        for file in patches.iter().chain([&folder.join("config")]) {
            add(&mut digest, &fs::read(file).with_context(|| format!("failed to read {}", file.display()))?);
        }
        let digest = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { folder: folder.to_owned(), version, patches, digest })
    }

    /// Where the kernel of these inputs is, once it was made.
    fn kept(&self, cache: &Path) -> PathBuf {
        cache.join(&self.digest).join("vmlinux")
    }
}

/// Each part with its length, so that no two lists of parts are one.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_le_bytes());
    digest.update(part);
}

fn clear(place: &Path) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("failed to clear {}", place.display()))?;
    }
    Ok(())
}
