//! What start-up has made of the place that the agent serves in.

use std::os::fd::OwnedFd;

use crate::identity::Identity;

/// Decided before the first request, and the same for all of them.
pub(crate) struct Surroundings {
    /// As whom commands run.
    pub(crate) identity: Identity,
    /// What is written over the image, where the root is an overlay: a directory that no path leads to.
    pub(crate) upper: Option<OwnedFd>,
    /// In a machine of its own: how many of the kernel's threads are the kernel's own.
    pub(crate) kernel_threads: Option<u32>,
}
