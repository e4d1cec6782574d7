//! Where the parts of microVMs are: beside this program, unless the operator says otherwise.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use mimobox_agent_backend::installed::{named_by, own_folder};

use crate::config::KvmConfig;

/// A part that is a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The VMM's program.
    Vmm,
    /// The guest's kernel.
    Kernel,
    /// The base image.
    BaseImage,
}

/// A part is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum MissingPart {
    /// This program's own path is unknown, beside which it would be.
    #[error("failed to find out where this program lies")]
    OwnPlace(#[source] io::Error),
    /// It could not be read.
    #[error(
        "failed to read {} {path}: build it with `{}`, or name it in ${}",
        part.name(), part.build(), part.variable(), path = .path.display()
    )]
    Read {
        /// Which.
        part: Part,
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Part {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vmm => "the microVMs' program",
            Self::Kernel => "the microVMs' kernel",
            Self::BaseImage => "the microVMs' base image",
        }
    }

    /// What names it.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Vmm => "MIMOBOX_VMM",
            Self::Kernel => "MIMOBOX_KERNEL",
            Self::BaseImage => "MIMOBOX_BASE_IMAGE",
        }
    }

    /// What makes it.
    pub fn build(self) -> &'static str {
        match self {
            Self::Vmm => "cargo xtask demo",
            Self::Kernel => "cargo xtask kernel",
            Self::BaseImage => "cargo xtask base-image",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Vmm => "mimobox-vmm",
            Self::Kernel => "vmlinux",
            Self::BaseImage => "base.erofs",
        }
    }

    /// Where it is: as its variable says, as `configured`, beside this program, or where the build puts it, in `guest` above that.
    ///
    /// # Errors
    /// `OwnPlace`.
    pub fn path(self, configured: Option<&Path>) -> Result<PathBuf, MissingPart> {
        if let Some(named) = named_by(self.variable()).or_else(|| configured.map(Path::to_owned)) {
            return Ok(named);
        }
        let folder = own_folder().map_err(MissingPart::OwnPlace)?;
        let built = folder.parent().unwrap_or(&folder).join("guest").join(self.file_name());
        let beside = folder.join(self.file_name());
        Ok(if !beside.exists() && built.exists() { built } else { beside })
    }

    fn open(self, configured: Option<&Path>) -> Result<File, MissingPart> {
        let path = self.path(configured)?;
        File::open(&path).map_err(|source| MissingPart::Read { part: self, path, source })
    }
}

impl KvmConfig {
    /// Of the parts as they are installed; no images, no volumes, nothing tolerated. Kernel and base image are those given, if
    /// their variables name no other.
    ///
    /// # Errors
    /// Each variant of [`MissingPart`].
    pub fn installed(
        kernel: Option<&Path>,
        base_image: Option<&Path>,
        cache: PathBuf,
    ) -> Result<Self, MissingPart> {
        let vmm = Part::Vmm.path(None)?;
        let read = |source| MissingPart::Read { part: Part::Vmm, path: vmm.clone(), source };
        Ok(Self {
            vmm: fs::read(&vmm).map_err(read)?,
            kernel: Part::Kernel.open(kernel)?,
            base_image: Part::BaseImage.open(base_image)?,
            cache,
            images: None,
            volumes: [].into(),
            tolerated: [].into(),
            tolerated_jail: Vec::new(),
        })
    }
}
