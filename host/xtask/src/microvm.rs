//! What a microVM starts from, for the tasks that make some: its program, the kernel and the base image.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::stages::Stages;
use crate::{base_image, build, kernel};

/// Built, or named by the user.
pub(crate) struct Supplies {
    vmm: PathBuf,
    kernel: PathBuf,
    base_image: PathBuf,
}

impl Supplies {
    /// Builds what is missing. None where this machine can run no microVM: nothing would use it.
    pub(crate) fn prepare(stages: &mut Stages, root: &Path, agent: &Path) -> Result<Option<Self>> {
        if !Path::new("/dev/kvm").exists() {
            eprintln!("── no microVMs: this machine has no /dev/kvm");
            return Ok(None);
        }
        let kernel = stages.run("kernel of microVMs", || kernel::build(root))?;
        let base_image = stages.run("base image", || base_image::build(root, agent))?;
        let vmm = stages.run("microVMs' program", || build::vmm(root))?;
        Ok(Some(Self { vmm, kernel, base_image }))
    }

    /// Tells a program where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("MIMOBOX_VMM", &self.vmm)
            .env(kernel::VARIABLE, &self.kernel)
            .env(base_image::VARIABLE, &self.base_image);
    }
}
