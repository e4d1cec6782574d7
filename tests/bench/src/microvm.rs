//! What microVMs are measured with: what they start from, one of ours, and the same under QEMU.
//!
//! Both boot the same kernel from the same disk with the same words on its command line, and count as up when the first
//! program has said its word on the console. Both are killed then.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mimobox_confine::launch::Program;
use mimobox_vmm_protocol::Template;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

mod ours;
mod qemu;

/// Of the machines that are compared.
const MEMORY: u64 = 128 << 20;
/// The first program says this, and nothing of the kernel's looks like it.
const WORD: &str = "the-machine-is-up";
/// More than the slowest machine takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a microVM starts from; `cargo xtask bench` says where it is.
#[derive(Debug)]
pub(crate) struct Supplies {
    vmm: Program,
    kernel: PathBuf,
    base_image: PathBuf,
    template: Template,
}

impl Supplies {
    /// None where this machine runs no microVM.
    pub(crate) fn find() -> Result<Option<Self>> {
        let named = |variable| std::env::var_os(variable).map(PathBuf::from);
        let (vmm, kernel, base_image) =
            (named("MIMOBOX_VMM"), named("MIMOBOX_KERNEL"), named("MIMOBOX_BASE_IMAGE"));
        let (Some(vmm), Some(kernel), Some(base_image)) = (vmm, kernel, base_image) else { return Ok(None) };
        let vmm = Program::load(&std::fs::read(vmm).context("failed to read the VMM")?)?;
        let template = ours::probe(&vmm)?;
        Ok(Some(Self { vmm, kernel, base_image, template }))
    }

    /// How guests run here, for people.
    pub(crate) fn template(&self) -> &'static str {
        self.template.name()
    }

    /// Boots one of ours. Gives the time until its word.
    pub(crate) fn boot_ours(&self) -> Result<Duration> {
        ours::boot(self)
    }

    /// Boots one of QEMU's. Gives the time until its word.
    pub(crate) fn boot_qemu(&self) -> Result<Duration> {
        qemu::boot(self)
    }
}

/// What the kernel is told besides what the machine adds by itself. The word after the program is its argument.
fn command_line() -> String {
    format!("quiet root=/dev/vda rootfstype=erofs ro init=/bin/echo {WORD}")
}

/// Reads a console until the word is said.
fn until_said(console: &mut File, since: Instant) -> Result<Duration> {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    while since.elapsed() < PATIENCE {
        let mut waiting = [PollFd::new(&*console, PollFlags::IN)];
        if poll(&mut waiting, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }))? == 0 {
            continue;
        }
        let length = console.read(&mut part).context("failed to read the machine's console")?;
        said.extend_from_slice(part.get(..length).unwrap_or_default());
        if said.windows(WORD.len()).any(|window| window == WORD.as_bytes()) {
            return Ok(since.elapsed());
        }
        if length == 0 {
            break;
        }
    }
    bail!("the machine did not come up; its console says:\n{}", String::from_utf8_lossy(&said))
}
