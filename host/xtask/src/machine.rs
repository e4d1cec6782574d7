//! What a machine must have, and how to get it.
//!
//! A fresh Debian with rustup lacks a few packages. As root they are installed; otherwise the one command that would do it
//! is printed, and the task stops.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{apt, process};

/// Something that must be there, and the Debian package that brings it.
struct Need {
    /// A program looked up in `PATH`, or a file where it holds a slash.
    thing: &'static str,
    package: &'static str,
    why: &'static str,
}

const ALWAYS: &[Need] = &[
    Need {
        thing: "gcc",
        package: "gcc",
        why: "links the host and the agent; a submission of the judge is written in C",
    },
    Need { thing: "/usr/include/stdio.h", package: "libc6-dev", why: "the agent is linked statically" },
    Need { thing: "python3", package: "python3", why: "a submission of the judge is written in Python" },
    Need { thing: "perl", package: "perl", why: "a submission of the judge is written in Perl" },
];

const FOR_TESTS: &[Need] = &[Need {
    thing: "newuidmap",
    package: "uidmap",
    why: "an ordinary user's sandboxes are tested with users that are set aside for her",
}];

const FOR_BENCH: &[Need] = &[
    Need { thing: "bwrap", package: "bubblewrap", why: "the peer that sandboxes are measured against" },
    Need {
        thing: "qemu-system-x86_64",
        package: "qemu-system-x86",
        why: "the peer that microVMs are measured against",
    },
];

const FOR_KERNEL: &[Need] = &[
    Need { thing: "make", package: "make", why: "builds the guest's kernel" },
    Need { thing: "patch", package: "patch", why: "adds our patches to the guest's kernel" },
    Need { thing: "xz", package: "xz-utils", why: "unpacks the kernel's source" },
    Need { thing: "bc", package: "bc", why: "the kernel's build asks for it" },
    Need { thing: "bison", package: "bison", why: "the kernel's build asks for it" },
    Need { thing: "flex", package: "flex", why: "the kernel's build asks for it" },
    Need { thing: "/usr/include/libelf.h", package: "libelf-dev", why: "the kernel's build asks for it" },
];

/// Makes sure of what every task needs.
pub(crate) fn prepare() -> Result<()> {
    install(ALWAYS)
}

/// Makes sure of what the tests need besides.
pub(crate) fn prepare_for_tests() -> Result<()> {
    prepare()?;
    install(FOR_TESTS)
}

/// Makes sure of what the bench needs besides.
pub(crate) fn prepare_for_bench() -> Result<()> {
    prepare()?;
    install(FOR_BENCH)
}

/// Makes sure of what compiling the guest's kernel needs besides, where none is kept.
pub(crate) fn prepare_for_kernel() -> Result<()> {
    prepare()?;
    install(FOR_KERNEL)
}

fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !is_there(need.thing)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("missing: {} (package {}): {}", need.thing, need.package, need.why);
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !apt::is_root() {
        bail!("this needs root once; please run:\n  sudo apt-get install -y {}", packages.join(" "));
    }
    eprintln!("installing {} with apt-get", packages.join(" "));
    process::run(Command::new("apt-get").args(["update", "-qq"]))?;
    process::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages),
    )
}

fn is_there(thing: &str) -> bool {
    if thing.contains('/') {
        return Path::new(thing).exists();
    }
    // What a sandbox sees is /usr, so a program elsewhere in PATH does not count.
    ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(thing).exists())
}
