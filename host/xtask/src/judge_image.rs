//! A root with all that the judge's submissions want: a shell, Python, Perl, awk and a C compiler, out of Debian's packages.
//!
//! ```text
//! apt-get --simulate ─► packages with all that they need ─► download ─► unpacked into one folder
//! ```
//!
//! A microVM has none of the machine's programs. So `cargo xtask judge-image` makes this folder, `mimobox-host image import`
//! an image of it, and the judge runs in that. Nothing is installed, no program of a package is run, and it needs no root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{apt, cache, process};

const PACKAGES: [&str; 12] = [
    "base-files",
    "coreutils",
    "dash",
    "findutils",
    "gcc",
    "grep",
    "libc-bin",
    "libc6-dev",
    "mawk",
    "perl",
    "python3",
    "sed",
];

/// What packages take for granted, and what their scripts would make.
const LINKS: [(&str, &str); 6] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
    ("usr/bin/awk", "mawk"),
    ("usr/bin/cc", "gcc"),
];

/// For people, and nearly half of what would be in the root.
const LEFT_OUT: [&str; 4] =
    ["./usr/share/doc/*", "./usr/share/info/*", "./usr/share/locale/*", "./usr/share/man/*"];

/// Makes the root, unless one of the same packages is kept. Gives its folder.
pub(crate) fn build() -> Result<PathBuf> {
    // If apt's lists have this one, they have the others.
    apt::candidate_or_refresh("gcc", "the judge's submissions want it")?;
    let packages = closure()?;
    let cache = cache::folder()?.join("judge-image");
    let digest = Sha256::digest(packages.join("\n"));
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let kept = cache.join(&digest);
    if kept.is_dir() {
        return Ok(kept);
    }
    eprintln!(
        "judge's image: downloading and unpacking {} packages (70 MB; nothing is installed)",
        packages.len()
    );
    let place = cache.join(format!("partial-{}", std::process::id()));
    let made = make(&place, &packages).and_then(|root| {
        fs::rename(root, &kept).or_else(|error| if kept.is_dir() { Ok(()) } else { Err(error) })?;
        Ok(kept)
    });
    // What went wrong is more to the point than what could not be cleared.
    let cleared = fs::remove_dir_all(&place);
    let root = made?;
    cleared.with_context(|| format!("failed to clear {}", place.display()))?;
    Ok(root)
}

/// The packages and all that they need, as if nothing were installed: `name=version`.
fn closure() -> Result<Vec<String>> {
    let mut apt = Command::new("apt-get");
    apt.args(["--simulate", "-qq", "--option", "Dir::State::status=/dev/null"]);
    apt.args(["--option", "APT::Install-Recommends=false", "install"]).args(PACKAGES);
    let said = process::output(&mut apt).context("failed to ask apt what the packages need")?;
    let mut packages: Vec<_> = said.lines().filter_map(package_in).collect();
    packages.sort();
    Ok(packages)
}

/// Apt says `Inst gcc (4:12.2.0-3 Debian:12.0/stable [amd64])`.
fn package_in(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("Inst ")?.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('(')?);
    Some(format!("{name}={version}"))
}

fn make(place: &Path, packages: &[String]) -> Result<PathBuf> {
    let (downloaded, root) = (place.join("packages"), place.join("root"));
    apt::download(packages, &downloaded)?;
    for folder in ["usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "etc", "tmp", "home", "root"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, target) in LINKS {
        symlink(target, root.join(path)).with_context(|| format!("failed to make the link {path}"))?;
    }
    for package in fs::read_dir(&downloaded)? {
        unpack(&package?.path(), &root)?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    Ok(root)
}

/// Unpacks one package. What it puts into `/bin` goes where the link of that name leads.
fn unpack(package: &Path, root: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb");
    archive.arg("--fsys-tarfile").arg(package).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut archive = archive.spawn().context("failed to start dpkg-deb")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--keep-directory-symlink", "--delay-directory-restore"]);
    tar.args(LEFT_OUT.map(|pattern| format!("--exclude={pattern}"))).arg("--directory").arg(root);
    if let Some(bytes) = archive.stdout.take() {
        tar.stdin(bytes);
    }
    let unpacked = tar.status().context("failed to start tar")?;
    let read = archive.wait().context("failed to wait for dpkg-deb")?;
    if !unpacked.success() || !read.success() {
        bail!("failed to unpack {}", package.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::package_in;

    #[test]
    fn what_apt_would_install_is_read_with_its_version() {
        let line = "Inst gcc (4:12.2.0-3 Debian:12.0/stable [amd64])";
        assert_eq!(package_in(line).as_deref(), Some("gcc=4:12.2.0-3"));
        assert_eq!(package_in("Conf gcc (4:12.2.0-3 Debian:12.0/stable [amd64])"), None);
    }
}
