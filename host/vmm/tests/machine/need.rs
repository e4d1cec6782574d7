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
    let built = || {
        let folders = std::env::current_exe().unwrap();
        folders.ancestors().skip(3).map(|target| target.join("guest/vmlinux")).find(|kernel| kernel.exists())
    };
    match std::env::var_os("MIMOBOX_KERNEL").map(PathBuf::from).or_else(built) {
        Some(kernel) => Some(kernel),
        None => skipped("there is no guest kernel: `cargo xtask kernel` builds one"),
    }
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
