//! Images: root file systems by name, for sandboxes to run in.
//!
//! ```text
//! source (directory, tar, OCI layout, docker archive) ─ import ─► store: NAME/root, NAME/image.json ─ open_root ─► backend
//!                                                                                        └ open_disk ─► a microVM
//! ```
//!
//! The binary opens the store's folder and its sources, and calls [`ImageStore`]. A source is the work of somebody
//! unknown: whatever is in it, an import touches nothing outside of its own new folder, takes no more than its
//! [`Limits`], and either puts a whole image into the store or leaves no trace.
#![forbid(unsafe_code)]

mod digest;
mod disk;
mod folder;
mod import;
mod listing;
mod metadata;
mod name;
mod staging;
mod store;

pub use digest::{Digest, DigestError};
pub use disk::DiskError;
pub use import::ImportOptions;
pub use import::error::{ArchiveFault, BundleFault, ImportError, MemberFault};
pub use import::limits::{LimitReached, Limits};
pub use metadata::{Altered, ImageConfig, Metadata, Skipped, Source, SourceKind};
pub use name::{ImageName, ImageNameError};
pub use staging::StagingError;
pub use store::{Image, ImageStore, ListedImage, OpenImageError, RemoveError};

/// How far making a disk is.
pub use mimobox_erofs::Progress;
