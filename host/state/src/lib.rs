//! What a user's hosts keep between runs: the audit log, the images and the snapshots, each in its place.
//!
//! The library and the binary share these, so that a sandbox made by either leaves its traces in one place.

#![forbid(unsafe_code)]

mod audit_file;
mod folder;
mod snapshot_store;

pub use audit_file::{AuditFile, OpenAuditError};
pub use folder::{FolderError, PrivateFolder, cache, images, snapshots};
pub use snapshot_store::{LazyStore, OpenStoreError, Place, open_store};
