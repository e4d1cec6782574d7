//! Builds the host and the agent that it needs beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{process, workspace};

/// The agent is linked statically against glibc: no target but the host's own is needed for that.
const AGENT_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the static agent and puts it beside the host binary. Gives its path.
pub(crate) fn agent(root: &Path) -> Result<PathBuf> {
    let mut cargo = workspace::cargo(root);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static").args([
        "build",
        "--package",
        "mimobox-agent",
        "--profile",
        "agent",
        "--target",
        AGENT_TARGET,
    ]);
    process::run(&mut cargo).context("failed to build the agent")?;
    let target = workspace::target(root);
    let built = target.join(AGENT_TARGET).join("agent/mimobox-agent");
    let beside = target.join("release/mimobox-agent");
    std::fs::create_dir_all(target.join("release"))?;
    std::fs::copy(&built, &beside).with_context(|| format!("failed to copy {}", built.display()))?;
    Ok(beside)
}

/// Builds the host binary. Gives its path.
pub(crate) fn host(root: &Path) -> Result<PathBuf> {
    process::run(workspace::cargo(root).args(["build", "--release", "--package", "mimobox-host"]))
        .context("failed to build the host")?;
    Ok(workspace::target(root).join("release/mimobox-host"))
}

/// Where the program that is a microVM is built: beside the host binary.
pub(crate) fn vmm_path(root: &Path) -> PathBuf {
    workspace::target(root).join("release/mimobox-vmm")
}

/// Builds it.
pub(crate) fn vmm(root: &Path) -> Result<()> {
    process::run(workspace::cargo(root).args(["build", "--release", "--package", "mimobox-vmm"]))
        .context("failed to build the microVMs' program")
}
