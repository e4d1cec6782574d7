//! What the operator says about the OS backend.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use mimobox_confine::{Access, Mechanism};

/// First user of the first sandbox. Far above what distributions give to people, services, containers (`/etc/subuid`) and
/// systemd's dynamic users, and below the range that some kernels' tools take for errors.
pub(crate) const DEFAULT_USER_BASE: u32 = 0x6000_0000;

/// One for who comes next, and one for who comes while that one is replaced.
const DEFAULT_RESERVE: usize = 2;

/// What an [`OsBackend`](crate::OsBackend) is made of.
#[derive(Debug)]
pub struct BackendConfig {
    /// The agent: a static program.
    pub agent: Vec<u8>,
    /// Where images are, besides `host`, which is this machine's programs.
    pub images: Option<Arc<dyn ImageRoots>>,
    /// Directories of the host that a sandbox may have, by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Mechanisms that a sandbox may lack; the report still says so. None unless the operator names them.
    pub tolerated: BTreeSet<Mechanism>,
    /// The host's number of the first sandbox's user 0. Each sandbox has 65,536 users from there on; nobody else may have
    /// them. 1,610,612,736 by default.
    pub user_base: u32,
    /// How many sandboxes are kept ready of each kind that was asked for twice. Such a one, of this machine's image and without
    /// volumes, is then there at once. Each takes some 150 KiB while it waits. 2 by default; none are for 0.
    pub reserve: usize,
}

impl BackendConfig {
    /// No images, no volumes, nothing tolerated, two in reserve.
    pub fn new(agent: Vec<u8>) -> Self {
        Self {
            agent,
            images: None,
            volumes: BTreeMap::new(),
            tolerated: BTreeSet::new(),
            user_base: DEFAULT_USER_BASE,
            reserve: DEFAULT_RESERVE,
        }
    }
}

/// The operator's images. One may come or go while sandboxes run, so each is looked for when it is asked for.
pub trait ImageRoots: fmt::Debug + Send + Sync {
    /// Opens the directory that is an image's root; none where there is no such image. Nobody writes to it from then on.
    /// Blocks.
    ///
    /// # Errors
    /// It is there and could not be opened.
    fn open_root(&self, name: &str) -> io::Result<Option<OwnedFd>>;
}

/// A directory of the host. Opened once, by the operator's word; never looked up again.
#[derive(Debug)]
pub struct Volume {
    /// The open directory.
    pub directory: OwnedFd,
    /// What a sandbox may do with it at most.
    pub access: Access,
}
