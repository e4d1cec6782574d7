//! The arguments of `image`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mimobox_images::ImageName;

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Import a root, or an image that holds one
    ///
    /// The source is a directory or a tar archive of a root file system, an OCI image layout (a directory or an archive),
    /// or what `docker save` writes. Archives may be compressed by gzip or zstd. Devices, pipes and sockets are left out,
    /// and programs lose their set-user-id bits. Nobody vouches for a source: how much it may bring is limited by
    /// `[images]` in the configuration.
    Import(ImportArguments),
    /// List the images
    List,
    /// Show what is known about an image
    Show(ImageArguments),
    /// Remove an image that no sandbox uses
    Remove(ImageArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// How sandboxes are to ask for it: letters, digits, `-`, `_` and `.`
    pub(crate) name: ImageName,
    /// A directory or an archive, or `-` for an archive on standard input
    pub(crate) source: PathBuf,
    /// Put it in the place of an image of the same name
    #[arg(long)]
    pub(crate) replace: bool,
    /// Which image to take where the source holds several, by what the source calls it, such as `alpine:3.20`
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) reference: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageArguments {
    /// Of the image
    pub(crate) name: ImageName,
}
