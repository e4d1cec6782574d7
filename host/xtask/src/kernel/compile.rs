//! Compiling the kernel, with its progress.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::progress::Progress;

/// Of the way a kernel is made here. Change it with whatever changes the result, and kernels that are kept are made anew.
pub(super) const RECIPE: &str = "1";

/// About how many steps make reports; for the progress line alone.
const EXPECTED: u64 = 1330;

/// Who, where and when, as the kernel would tell it: the same for everybody.
const ANONYMOUS: [(&str, &str); 5] = [
    ("KBUILD_BUILD_USER", "mimobox"),
    ("KBUILD_BUILD_HOST", "mimobox"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KCONFIG_NOTIMESTAMP", "1"),
];

/// Compiles the configured tree. Gives the kernel without what only a debugger reads.
pub(super) fn compile(tree: &Path) -> Result<PathBuf> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = make(tree);
    make.arg(format!("--jobs={processors}")).arg("vmlinux").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = make.spawn().context("failed to start make")?;
    let mut progress = Progress::new("kernel", "objects", EXPECTED);
    if let Some(lines) = child.stdout.take() {
        // A step is "  CC      init/main.o".
        for line in BufReader::new(lines).lines() {
            if line.context("failed to read what make says")?.starts_with("  ") {
                progress.step();
            }
        }
    }
    progress.finish();
    let status = child.wait().context("failed to wait for make")?;
    if !status.success() {
        bail!("failed to compile the kernel: make ended with {status}");
    }
    let stripped = tree.join("vmlinux.stripped");
    let mut strip = tool(tree, "strip");
    process::run(strip.args(["--strip-debug", "-o"]).arg(&stripped).arg("vmlinux"))
        .context("failed to strip the kernel")?;
    Ok(stripped)
}

/// `make` in the tree.
pub(super) fn make(tree: &Path) -> Command {
    tool(tree, "make")
}

/// A tool in the tree. The caller's environment could name another compiler or another architecture, and the kernel would
/// differ from everybody else's.
pub(super) fn tool(tree: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(tree).env_clear().env("LC_ALL", "C").envs(ANONYMOUS);
    for kept in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}
