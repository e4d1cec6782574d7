//! Debian's source of the kernel, unpacked and patched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{apt, process};

/// The long-term line that our patches fit. Its minor versions come as security updates of Debian.
pub(super) const PACKAGE: &str = "linux-source-6.12";

/// Downloads and unpacks the source. Gives its folder in `place`.
pub(super) fn unpack(version: &str, place: &Path) -> Result<PathBuf> {
    let (packages, unpacked) = (place.join("packages"), place.join("package"));
    apt::download(&[format!("{PACKAGE}={version}")], &packages)?;
    apt::extract(&packages, &unpacked)?;
    fs::remove_dir_all(&packages)?;
    let archive = unpacked.join("usr/src").join(format!("{PACKAGE}.tar.xz"));
    process::run(
        Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(place),
    )
    .context("failed to unpack the kernel's source")?;
    fs::remove_dir_all(&unpacked)?;
    Ok(place.join(PACKAGE))
}

/// Applies the patches in their order. One that does not fit ends it: Debian's source moved on.
pub(super) fn patch(tree: &Path, patches: &[PathBuf]) -> Result<()> {
    for patch in patches {
        let mut command = Command::new("patch");
        command.args(["--strip=1", "--silent", "--force", "--input"]).arg(patch).current_dir(tree);
        process::run(&mut command)
            .with_context(|| format!("{} does not fit this kernel", patch.display()))?;
    }
    Ok(())
}
