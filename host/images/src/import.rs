//! From a source that nobody vouches for to a root in the store.
//!
//! ```text
//! directory ─────────────────────────────► directory ─┐
//! archive ─ spool ─ bundle ┬ plain ─► layer ──────────┼─► tree ─► listing (digest)
//!   (gzip, zstd)           ├ oci ───► layer, layer … ─┤   └ everything is written here
//!                          └ docker ► layer, layer … ─┘
//! ```

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::fs::{FileType, Stat, fstat};

mod bundle;
mod compression;
mod configuration;
mod directory;
mod docker;
pub(crate) mod error;
mod extended;
mod layer;
pub(crate) mod limits;
mod members;
mod oci;
mod path;
mod spool;
mod touched;
mod tree;

use bundle::Bundle;
use error::{BundleFault, ImportError};
use layer::Whiteouts;
use limits::{Budget, Limits};
use tree::Tree;

use crate::listing;
use crate::metadata::{Altered, ImageConfig, Skipped, Source, SourceKind};

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// How much the source may bring.
    pub limits: Limits,
    /// Whether an image of the same name gives way.
    pub replace: bool,
    /// Which image is meant, where the source has several: `alpine:3.20`.
    pub reference: Option<String>,
    /// Set it from elsewhere, and the import ends with [`ImportError::CalledOff`], leaving nothing behind.
    pub called_off: Arc<AtomicBool>,
}

/// What an import came to, but for its name and its time.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) summary: listing::Summary,
    pub(crate) source: Source,
    pub(crate) config: ImageConfig,
    pub(crate) skipped: Skipped,
    pub(crate) altered: Altered,
}

/// Fills `root`, an empty directory. `place` is for what is needed meanwhile, `store` must not be in the source.
pub(crate) fn fill(
    root: OwnedFd,
    source: File,
    place: BorrowedFd<'_>,
    store: &Stat,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let budget = Budget::new(options.limits, &options.called_off);
    let deepest = budget.limits().depth;
    let reading = rustix::io::dup(&root).map_err(|error| ImportError::MakeRoot(error.into()))?;
    let mut tree = Tree::new(root, budget).map_err(|error| ImportError::MakeRoot(error.into()))?;
    let (source, config) = fill_tree(&mut tree, source, place, store, options)?;
    let summary = listing::summarise(&reading, deepest).map_err(ImportError::Digest)?;
    Ok(Imported { summary, source, config, skipped: tree.skipped, altered: tree.altered })
}

fn fill_tree(
    tree: &mut Tree<'_>,
    source: File,
    place: BorrowedFd<'_>,
    store: &Stat,
    options: &ImportOptions,
) -> Result<(Source, ImageConfig), ImportError> {
    let stat = fstat(&source).map_err(|error| ImportError::OpenSource(error.into()))?;
    let reference = options.reference.as_deref();
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let source = OwnedFd::from(source);
            if let Some(filled) = fill_from_bundle(&Bundle::Folder(&source), reference, tree)? {
                return Ok(filled);
            }
            let plain = plain(SourceKind::Directory, reference)?;
            directory::import(&source, store, tree)?;
            Ok(plain)
        }
        FileType::RegularFile | FileType::Fifo => {
            let archive = spool::seekable(source, place, &tree.budget)?;
            fill_from_archive(archive, reference, tree)
        }
        _ => Err(ImportError::UnusableSource),
    }
}

fn fill_from_archive(
    archive: File,
    reference: Option<&str>,
    tree: &mut Tree<'_>,
) -> Result<(Source, ImageConfig), ImportError> {
    let bundle = Bundle::of_archive(&archive, tree.budget.limits());
    if let Some(bundle) = bundle
        && let Some(filled) = fill_from_bundle(&bundle, reference, tree)?
    {
        return Ok(filled);
    }
    let plain = plain(SourceKind::Archive, reference)?;
    let stream = tree.budget.bounded(bundle::whole(&archive));
    layer::apply(tree, stream, Whiteouts::Plain)?;
    Ok(plain)
}

/// None: it is a root, not an image's documents and layers.
fn fill_from_bundle(
    bundle: &Bundle<'_>,
    reference: Option<&str>,
    tree: &mut Tree<'_>,
) -> Result<Option<(Source, ImageConfig)>, ImportError> {
    if bundle.has(oci::LAYOUT) {
        oci::import(bundle, reference, tree).map(Some)
    } else if bundle.has(docker::MANIFEST) && bundle.is_archive() {
        docker::import(bundle, reference, tree).map(Some)
    } else {
        Ok(None)
    }
}

/// A root is one image and has no name.
fn plain(kind: SourceKind, reference: Option<&str>) -> Result<(Source, ImageConfig), ImportError> {
    match reference {
        Some(reference) => Err(BundleFault::no_image(reference).into()),
        None => Ok((Source { kind, digest: None, reference: None }, ImageConfig::default())),
    }
}
