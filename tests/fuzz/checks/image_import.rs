//! What must hold for any bytes that are imported as an image. Used by the fuzz target and by an ordinary test.
#![allow(clippy::expect_used, reason = "a check that cannot go on has failed")]

use std::fs::{self, File};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_images::{ImageName, ImageStore, ImportOptions, Limits};

/// Small, so that a bomb is over at once.
const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 200, depth: 16, path: 1000 };

/// Panics if an import touches anything outside of its store, or leaves anything in it but a whole image. `place` is an
/// empty directory, and is so again afterwards.
pub(crate) fn check(place: &Path, bytes: &[u8]) {
    let (store, secret, source) = (place.join("store"), place.join("secret"), place.join("source"));
    fs::create_dir(&store).expect("a store");
    fs::write(&secret, "untouched").expect("a file that no import may touch");
    fs::write(&source, bytes).expect("a source");
    let folder = Dir::open_ambient_dir(&store, ambient_authority()).expect("a store");
    let images = ImageStore::open(&folder).expect("a store");
    let name: ImageName = "image".parse().expect("a name");
    let options = ImportOptions { limits: LIMITS, ..ImportOptions::default() };
    let imported = images.import(&name, File::open(&source).expect("a source"), &options);

    assert_eq!(fs::read_to_string(&secret).expect("still a file"), "untouched");
    assert_eq!(fs::read_dir(place).expect("a place").count(), 3, "beside the store");
    match imported {
        Ok(metadata) => {
            assert!(metadata.bytes <= LIMITS.bytes && metadata.entries <= LIMITS.entries, "{metadata:?}");
            assert_eq!(images.metadata(&name).expect("readable"), Some(metadata));
            images.remove(&name).expect("nobody uses it");
        }
        // To be shown, whatever is in it.
        Err(error) => drop(error.to_string()),
    }
    assert_eq!(fs::read_dir(&store).expect("a store").count(), 0, "left in the store");
    fs::remove_file(secret).expect("a file");
    fs::remove_file(source).expect("a source");
    fs::remove_dir(store).expect("an empty store");
}
