//! QEMU's smallest machine, `microvm`, with what ours has: one processor, a disk, random bytes, a serial port.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mimobox_vmm_protocol::Template;

use super::{MEMORY, Supplies, command_line, until_said};

pub(super) fn boot(supplies: &Supplies) -> Result<Duration> {
    let disk = format!("if=none,id=disk,format=raw,readonly=on,file={}", supplies.base_image.display());
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-enable-kvm", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
        .args(["-machine", "microvm,pic=on,pit=on,rtc=off,acpi=off,isa-serial=on"])
        .args(["-cpu", processor(supplies.template)])
        .args(["-m", &(MEMORY >> 20).to_string()])
        .arg("-kernel")
        .arg(&supplies.kernel)
        .args(["-append", &kernel_words(supplies.template)])
        .args(["-drive", &disk, "-device", "virtio-blk-device,drive=disk"])
        .args([
            "-object",
            "rng-random,id=random,filename=/dev/urandom",
            "-device",
            "virtio-rng-device,rng=random",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let since = Instant::now();
    let mut child = qemu.spawn().context("failed to start qemu-system-x86_64")?;
    let console = child.stdout.take().context("QEMU has no console")?;
    let up = until_said(&mut File::from(OwnedFd::from(console)), since);
    // It would wait for half a minute before it turns itself off.
    child.kill().and_then(|()| child.wait()).context("failed to end QEMU")?;
    up
}

/// What our templates give their guests, in QEMU's words.
fn processor(template: Template) -> &'static str {
    match template {
        Template::Native => "host",
        Template::Pvm => "qemu64,cx16=off,popcnt=off,svm=off,+xsaveerptr",
    }
}

/// QEMU adds its devices and nothing else; what our VMM says by itself stands here.
fn kernel_words(template: Template) -> String {
    let template = match template {
        Template::Native => "",
        Template::Pvm => " cpl0_emul rodata=off",
    };
    format!("console=ttyS0 panic=-1 reboot=k 8250.nr_uarts=1{template} {}", command_line())
}
