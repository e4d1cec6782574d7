//! What a test needs of the machine.

use std::fs::File;
use std::path::PathBuf;

use mimobox_vmm_protocol::Probe;

/// How guests run here. None: they do not, and that is told.
pub(crate) fn kvm() -> Option<Probe> {
    let kvm = File::options().read(true).write(true).open("/dev/kvm");
    let Ok(kvm) = kvm else { return skipped("there is no /dev/kvm that may be opened") };
    Some(mimobox_vmm::probe(kvm.into()).unwrap())
}

/// A Linux kernel for guests: what `MIMOBOX_KERNEL` names, or what `cargo xtask kernel` has built.
pub(crate) fn linux() -> Option<PathBuf> {
    let kernel = named_or_built("MIMOBOX_KERNEL", "vmlinux");
    kernel.or_else(|| skipped("there is no guest kernel: `cargo xtask kernel` builds one"))
}

/// A root file system with a shell: what `MIMOBOX_BASE_IMAGE` names, or what `cargo xtask base-image` has built.
pub(crate) fn base_image() -> Option<PathBuf> {
    let image = named_or_built("MIMOBOX_BASE_IMAGE", "base.erofs");
    image.or_else(|| skipped("there is no base image: `cargo xtask base-image` builds one"))
}

fn named_or_built(variable: &str, name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap();
    let mut folders = program.ancestors().skip(3).map(|target| target.join("guest").join(name));
    std::env::var_os(variable).map(PathBuf::from).or_else(|| folders.find(|file| file.exists()))
}

/// Being root.
pub(crate) fn root() -> Option<()> {
    if rustix::process::geteuid().is_root() {
        Some(())
    } else {
        skipped("only root may look into a jailed process")
    }
}

fn skipped<T>(reason: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}");
    eprintln!("skipped: {reason}");
    None
}
