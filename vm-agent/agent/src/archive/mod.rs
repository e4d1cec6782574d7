//! What a sandbox's file system holds beyond its image, as one stream: a tar, with marks for what was removed from the image.
//!
//! ```text
//!   save      the trees that the sandbox writes to  ──►  tar          while the sandbox runs: of a file either state
//!   restore   tar  ──►  the same trees of a fresh sandbox             before it takes its first request
//! ```
//!
//! An image's sandbox writes to the upper directory of an overlay, where a removed file is a device of number 0 and a
//! directory that was made anew has an attribute (the kernel's `filesystems/overlayfs.rst`). In the tar both are devices: no
//! sandbox has any, so that no file of its own is taken for one, as it could be for the `.wh.` names of an OCI layer.
//! Restoring goes through the overlay, so that the kernel keeps its own books.
//!
//! The bytes of a restored tar are hostile, and so is a tree that is saved: commands change it meanwhile. Each name is
//! looked up from a tree's root without following a link and without leaving the file system.

mod restore;
mod save;
mod tree;

pub(crate) use restore::{RestoreError, restore};
pub(crate) use save::save;
pub(crate) use tree::Trees;

/// Minor number of the device (major number 0) that stands for what was removed.
const REMOVED: u32 = 0;
/// And of the one that stands for a directory, there already, that hides the image's.
const OPAQUE: u32 = 1;
/// Permission bits that are kept. Set-user-ID and set-group-ID programs gain nothing in a sandbox.
const PERMISSIONS: u32 = 0o1777;

#[cfg(test)]
mod tests;
