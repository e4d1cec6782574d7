//! A folder of saved sandboxes: the domain's [`SnapshotStore`](mimobox_sandbox::SnapshotStore) on files.
//!
//! ```text
//!   begin ─► draft: a file without a name ─ keep ─► <id>.snapshot ─ open, list ─► header and record checked
//!     ▲            └─ hold: never has one                  │                          └─ state ─► digest checked, once
//!   import ◄─────────── one stream, hostile ◄─ export ─────┘
//! ```
//!
//! Several processes may use one folder at once. The folder is the operator's and nobody else may write to it: whoever
//! opens it sees to that. What is *in* a file is believed no more than its checks prove: it may have come from anywhere.
//!
//! **When what is checked.** A file's header has its own checksum and is checked whenever the file is opened; so are the
//! lengths, and the record against its digest. The state, which may be large, is hashed while it is written or imported,
//! and otherwise once a process: before the first time that its state is asked for. No restore after that hashes it again.

#![forbid(unsafe_code)]

mod draft;
mod error;
mod folder;
mod header;
mod import;
mod reading;
mod record;
mod staging;
mod store;
mod stored;

pub use error::FormatError;
pub use header::{HEADER_LENGTH, Header, Section, SectionKind};
pub use store::{FolderStore, OpenError, StoreLimits, Usage};
