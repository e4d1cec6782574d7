//! What the operator says about the KVM backend.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use mimobox_confine::Mechanism;
use mimobox_vmm_protocol::Mechanism as JailMechanism;

/// What a [`KvmBackend`](crate::KvmBackend) is made of.
#[derive(Debug)]
pub struct KvmConfig {
    /// The VMM's program, `mimobox-vmm`.
    pub vmm: Vec<u8>,
    /// The guest's kernel: a `vmlinux` or a bzImage.
    pub kernel: File,
    /// The base image: an EROFS file with the agent in it.
    pub base_image: File,
    /// The folder that templates are kept in. Made if it is not there; its user's own, and nobody else may write to it.
    pub cache: PathBuf,
    /// Images besides `base`.
    pub images: Option<Arc<dyn ImageDisks>>,
    /// Directories of the host that a sandbox may have, read-only, by name. Opened once, by the operator's word.
    pub volumes: BTreeMap<String, OwnedFd>,
    /// Limits that a sandbox may lack; the report still says so. None unless the operator names them.
    pub tolerated: BTreeSet<Mechanism>,
    /// Walls of the VMM's jail that it may lack, likewise.
    pub tolerated_jail: Vec<JailMechanism>,
}

/// The operator's images as disks. One may come or go while sandboxes run, so each is looked for when it is asked for.
pub trait ImageDisks: fmt::Debug + Send + Sync {
    /// Opens the disk of an image, an EROFS file; none where there is no such image. Nobody writes to it from then on. Blocks,
    /// the first time for as long as it takes to make it.
    ///
    /// # Errors
    /// The image is there, and its disk could not be made or opened.
    fn open_disk(&self, name: &str) -> io::Result<Option<File>>;
}
