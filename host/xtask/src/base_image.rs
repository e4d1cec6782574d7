//! The root of a microVM that asks for no other: busybox, the agent and the files of `vm-agent/base-image`, as EROFS.
//!
//! Callers: `cargo xtask base-image`, and every task that makes microVMs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use mimobox_erofs::{Attributes, Builder, Contents, Entry};

use crate::{apt, cache, process, workspace};

/// Names an image of the user's own, which is then taken as it is.
pub(crate) const VARIABLE: &str = "MIMOBOX_BASE_IMAGE";
const PACKAGE: &str = "busybox-static";

/// What is empty, with the permissions that others than root's have.
const DIRECTORIES: [(&str, u16); 21] = [
    ("", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/local", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/sbin", 0o755),
    ("usr/share", 0o755),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
];

const LINKS: [(&str, &str); 7] = [
    ("bin", "usr/bin"),
    ("etc/mtab", "/proc/self/mounts"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib"),
    ("sbin", "usr/sbin"),
    ("var/run", "../run"),
    ("var/tmp", "../tmp"),
];

/// The user that commands run as.
const SANDBOX: Attributes = Attributes { mode: 0o755, uid: 1000, gid: 1000, modified: 0 };

/// Names of busybox that would be in the way of who really does this here, or that mean nothing.
const LEFT_OUT: [&str; 5] = ["busybox", "init", "linuxrc", "dpkg", "dpkg-deb"];

/// Builds the image with this agent. Gives its path.
pub(crate) fn build(root: &Path, agent: &Path) -> Result<PathBuf> {
    if let Some(own) = std::env::var_os(VARIABLE).filter(|own| !own.is_empty()) {
        eprintln!("base image: {} ({VARIABLE})", Path::new(&own).display());
        return Ok(own.into());
    }
    let busybox = busybox()?;
    let names = process::output(Command::new(&busybox).arg("--list-full"))
        .context("failed to ask busybox for its names")?;
    let parts = Parts {
        busybox: fs::read(&busybox).with_context(|| format!("failed to read {}", busybox.display()))?,
        names: names.lines().map(str::to_owned).collect(),
        agent: fs::read(agent).with_context(|| format!("failed to read {}", agent.display()))?,
        files: root.join("vm-agent/base-image"),
    };
    let path = workspace::target(root).join("guest/base.erofs");
    workspace::write_if_changed(&path, &parts.image()?)?;
    eprintln!("base image: {}", path.display());
    Ok(path)
}

/// What goes into an image besides what every image has.
struct Parts {
    busybox: Vec<u8>,
    /// Of its programs: `bin/sh`, `usr/bin/seq`.
    names: Vec<String>,
    agent: Vec<u8>,
    /// A folder like the image's root, which is added to it.
    files: PathBuf,
}

impl Parts {
    fn image(&self) -> Result<Vec<u8>> {
        let mut builder = Builder::new();
        for (path, mode) in DIRECTORIES {
            builder.add(path.as_bytes(), Attributes::of_root(mode), Entry::Directory)?;
        }
        for (path, target) in LINKS {
            builder.add(path.as_bytes(), Attributes::of_root(0o777), Entry::SymbolicLink(target.into()))?;
        }
        builder.add(b"home/sandbox", SANDBOX, Entry::Directory)?;
        self.add_files(&mut builder)?;
        let program = |bytes| Entry::File(Contents::bytes(bytes));
        builder.add(b"usr/sbin/mimobox-agent", Attributes::of_root(0o755), program(&self.agent))?;
        builder.add(b"usr/bin/busybox", Attributes::of_root(0o755), program(&self.busybox))?;
        for name in &self.names {
            let path = format!("usr/{}", name.strip_prefix("usr/").unwrap_or(name));
            let last = path.rsplit('/').next().unwrap_or_default();
            // A script of ours goes before busybox's program.
            if !LEFT_OUT.contains(&last) && !self.files.join(&path).exists() {
                builder
                    .link(path.as_bytes(), b"usr/bin/busybox")
                    .with_context(|| format!("failed to add {path}"))?;
            }
        }
        let mut image = Vec::new();
        builder.write(&mut image, &mut |_| ()).context("failed to write the base image")?;
        Ok(image)
    }

    /// Adds the files of the repository. Whose a checkout is and when it was made does not matter; whether a file can be
    /// executed does.
    fn add_files(&self, builder: &mut Builder<'_>) -> Result<()> {
        for top in ["etc", "usr/bin"] {
            let folder = self.files.join(top);
            let mut files: Vec<_> = fs::read_dir(&folder)
                .with_context(|| format!("failed to list {}", folder.display()))?
                .collect::<std::io::Result<_>>()?;
            files.sort_by_key(fs::DirEntry::file_name);
            for file in files {
                let mode = if file.metadata()?.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
                let path = Path::new(top).join(file.file_name());
                let bytes = fs::read(file.path())?;
                let entry = Entry::File(Contents::bytes(bytes));
                builder.add(path.as_os_str().as_encoded_bytes(), Attributes::of_root(mode), entry)?;
            }
        }
        Ok(())
    }
}

/// The static busybox of Debian, unpacked in the cache.
fn busybox() -> Result<PathBuf> {
    let version = apt::candidate_or_refresh(PACKAGE, "the base image of microVMs is made of it")?;
    let cache = cache::folder()?.join("busybox");
    let kept = cache.join(version.replace(':', "%3a"));
    let program = "bin/busybox";
    if !kept.join(program).is_file() {
        eprintln!("base image: downloading Debian's {PACKAGE} {version} (1 MB; nothing is installed)");
        let place = cache.join(format!("partial-{}", std::process::id()));
        apt::download(&[format!("{PACKAGE}={version}")], &place.join("packages"))?;
        apt::extract(&place.join("packages"), &place.join("whole"))?;
        if let Err(error) = fs::rename(place.join("whole"), &kept)
            && !kept.join(program).is_file()
        {
            return Err(error).with_context(|| format!("failed to make {}", kept.display()));
        }
        fs::remove_dir_all(&place)?;
    }
    Ok(kept.join(program))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;

    fn parts(names: &[&str]) -> Parts {
        Parts {
            busybox: vec![7; 10_000],
            names: names.iter().map(|&name| name.to_owned()).collect(),
            agent: vec![8; 10_000],
            files: workspace::root().unwrap().join("vm-agent/base-image"),
        }
    }

    #[test]
    fn the_same_parts_give_the_same_image_however_they_are_listed() {
        let image = parts(&["bin/sh", "usr/bin/seq", "sbin/init", "bin/busybox"]).image().unwrap();
        assert!(image == parts(&["usr/bin/seq", "bin/busybox", "bin/sh"]).image().unwrap());
        assert!(image != parts(&["bin/sh"]).image().unwrap());
    }

    #[test]
    fn a_script_of_ours_goes_before_a_program_of_busybox() {
        assert!(parts(&["usr/bin/nohup"]).image().unwrap() == parts(&[]).image().unwrap());
    }
}
