//! Debian's packages without installing them: downloaded by apt, unpacked into a folder. Needs no root, but apt's lists.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Downloads packages, each by its name or as `name=version`, into `folder`, which is made.
pub(crate) fn download(packages: &[String], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let mut apt = Command::new("apt-get");
    // Without the option, apt as root drops to a user that may not write here, and warns.
    apt.args(["--option", "APT::Sandbox::User=root", "download"]).args(packages);
    process::run(apt.current_dir(folder))
        .context("failed to download the packages; if apt's lists are old, `apt-get update` as root helps")
}

/// Unpacks every package in `packages` into `folder`.
pub(crate) fn extract(packages: &Path, folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(packages)? {
        process::run(Command::new("dpkg-deb").arg("--extract").arg(entry?.path()).arg(folder))
            .context("failed to unpack a package")?;
    }
    Ok(())
}

/// The version that apt would take, which it asks no server for. None: it knows no such package.
pub(crate) fn candidate(package: &str) -> Result<Option<String>> {
    let policy = process::output(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package]))?;
    Ok(candidate_in(&policy).map(str::to_owned))
}

/// The same, and its lists are refreshed where they lack the package.
pub(crate) fn candidate_or_refresh(package: &str, why: &str) -> Result<String> {
    if let Some(version) = candidate(package)? {
        return Ok(version);
    }
    if !is_root() {
        bail!(
            "apt's lists have no {package} ({why}). Run this once, then try again:\n\n    sudo apt-get update\n"
        );
    }
    eprintln!("apt's lists have no {package}; running apt-get update");
    process::output(Command::new("apt-get").arg("update")).context("failed to refresh apt's lists")?;
    candidate(package)?.with_context(|| format!("this system's apt has no {package} ({why})"))
}

/// Refreshes apt's lists where that is possible: mirrors do not keep the versions that lists of last week name.
pub(crate) fn refresh() {
    if is_root()
        && let Err(error) = process::output(Command::new("apt-get").args(["update", "-qq"]))
    {
        eprintln!("apt's lists stay as they are: {error:#}");
    }
}

/// Whether packages can be installed.
pub(crate) fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn candidate_in(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (version != "(none)").then_some(version)
}

#[cfg(test)]
mod tests {
    use super::candidate_in;

    #[test]
    fn the_candidate_is_read_where_there_is_one() {
        let policy = "busybox:\n  Installed: 1\n  Candidate: 1:1.35.0-4\n  Version table:\n";
        assert_eq!(candidate_in(policy), Some("1:1.35.0-4"));
        assert_eq!(candidate_in("busybox:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }
}
