//! Writes EROFS images, uncompressed: what a microVM's disks hold.
//!
//! ```text
//! paths, in any order ─► Builder ─► layout ─► the image, from its first byte to its last
//! a directory ─ add_tree ──┘
//! ```
//!
//! The same tree gives the same bytes, so an image is known by its digest and made once. Nothing is mounted and no program
//! is run, so it needs no root. Who calls it: the build of the base image, the image store, and the backend for microVMs.
//!
//! Left out of the format: compression and checksums, which the guest would pay for at each read, and extended attributes.
#![forbid(unsafe_code)]

mod builder;
mod directory;
mod entry;
mod format;
mod image;
mod layout;
mod tree;

pub use builder::{AddError, Builder};
pub use entry::{Attributes, Contents, Device, Entry};
pub use image::{Progress, WriteError, Written};
pub use tree::{Found, TreeError};
