//! The arguments of `snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mimobox_sandbox::SnapshotId;

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// List the snapshots, the newest first
    List,
    /// Show what is known about a snapshot
    Show(SnapshotArguments),
    /// Write a snapshot to a file, for another machine
    Export(ExportArguments),
    /// Take in a snapshot that was exported, and print its new id
    ///
    /// Nobody vouches for a file: it is checked whole, and of what its sandbox was asked for with only the limits are kept.
    Import(ImportArguments),
    /// Delete a snapshot; sandboxes that came from it are not touched
    Delete(SnapshotArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArguments {
    /// Of the snapshot
    #[arg(value_parser = id)]
    pub(crate) id: SnapshotId,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Of the snapshot
    #[arg(value_parser = id)]
    pub(crate) id: SnapshotId,
    /// Where to write it, or `-` for standard output; a file that is there is left alone
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Where to read it, or `-` for standard input
    pub(crate) file: PathBuf,
}

/// An id of a snapshot, as `snapshot list` shows it.
pub(super) fn id(text: &str) -> Result<SnapshotId, String> {
    SnapshotId::new(text).map_err(|_| "letters, digits and hyphens".into())
}
