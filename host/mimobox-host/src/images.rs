//! The user's images: where they are kept, and how a backend gets at them.
//!
//! The store is opened when an image is first asked for: who uses the machine's own programs needs no state folder for it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use mimobox_backend_os::ImageRoots;
use mimobox_images::ImageStore;
use parking_lot::Mutex;

/// Opens the store, which is made if there is none.
pub(crate) fn store() -> anyhow::Result<ImageStore> {
    Ok(ImageStore::open(&mimobox_state::images()?.dir)?)
}

/// The images that this host's sandboxes have been made of.
///
/// Each stays in use for as long as the host runs: what is mounted in a sandbox must not be removed under it, and a
/// second sandbox of the same name is to be of the same image.
#[derive(Debug, Default)]
pub(crate) struct ImagesInUse(Mutex<BTreeMap<String, OwnedFd>>);

impl ImageRoots for ImagesInUse {
    fn open_root(&self, name: &str) -> io::Result<Option<OwnedFd>> {
        let mut in_use = self.0.lock();
        if let Some(root) = in_use.get(name) {
            return root.try_clone().map(Some);
        }
        // What can't be a name of an image is none of one.
        let Ok(valid) = name.parse() else { return Ok(None) };
        let store = store().map_err(io::Error::other)?;
        let Some(image) = store.open_root(&valid).map_err(io::Error::other)? else { return Ok(None) };
        tracing::info!(image = name, digest = %image.metadata().digest, "image");
        let root = image.into_root();
        let lent = root.try_clone()?;
        in_use.insert(name.to_owned(), root);
        Ok(Some(lent))
    }
}
