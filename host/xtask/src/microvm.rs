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
    /// Builds what is missing of them, but not the program: together with others its libraries may be built for all at once.
    /// None where this machine can run no microVM: nothing would use it.
    pub(crate) fn prepare(stages: &mut Stages, root: &Path, agent: &Path) -> Result<Option<Self>> {
        if !Path::new("/dev/kvm").exists() {
            eprintln!("── no microVMs: this machine has no /dev/kvm");
            return Ok(None);
        }
        let kernel = stages.run("kernel of microVMs", || kernel::build(root))?;
        let base_image = stages.run("base image", || base_image::build(root, agent))?;
        Ok(Some(Self { vmm: build::vmm_path(root), kernel, base_image }))
    }

    /// Builds the program too, by itself.
    pub(crate) fn with_program(stages: &mut Stages, root: &Path, agent: &Path) -> Result<Option<Self>> {
        let supplies = Self::prepare(stages, root, agent)?;
        if supplies.is_some() {
            stages.run("microVMs' program", || build::vmm(root))?;
        }
        Ok(supplies)
    }

    /// Tells a program where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("MIMOBOX_VMM", &self.vmm)
            .env(kernel::VARIABLE, &self.kernel)
            .env(base_image::VARIABLE, &self.base_image);
    }
}
