//! A store in a folder of its own, beside things that no import may touch.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_images::{ImageName, ImageStore, ImportError, ImportOptions, Metadata};
use tempfile::TempDir;

/// Every image of these tests.
pub(crate) const NAME: &str = "image";

/// A store, and what lies beside it.
pub(crate) struct Shelf {
    place: TempDir,
    pub(crate) store: ImageStore,
    before: BTreeMap<PathBuf, (u32, u64, Vec<u8>)>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        // In memory where there is some: an import waits for the disk, and for all that others write to it.
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        for folder in ["store", "outside", "source"] {
            fs::create_dir(place.path().join(folder)).unwrap();
        }
        fs::write(place.path().join("outside/secret"), "untouched").unwrap();
        let store = Dir::open_ambient_dir(place.path().join("store"), ambient_authority()).unwrap();
        let before = listing(&place.path().join("outside"));
        Self { store: ImageStore::open(&store).unwrap(), before, place }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A path of the one image.
    pub(crate) fn root(&self, path: &str) -> PathBuf {
        self.path("store").join(NAME).join("root").join(path)
    }

    pub(crate) fn contents(&self, path: &str) -> String {
        fs::read_to_string(self.root(path)).unwrap()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.root(path)).is_ok()
    }

    /// Imports these bytes as a file.
    pub(crate) fn import(&self, archive: &[u8]) -> Result<Metadata, ImportError> {
        self.import_with(archive, &ImportOptions::default())
    }

    pub(crate) fn import_with(
        &self,
        archive: &[u8],
        options: &ImportOptions,
    ) -> Result<Metadata, ImportError> {
        let file = self.path("archive");
        fs::write(&file, archive).unwrap();
        self.import_path(&file, options)
    }

    /// Imports a file or a directory, and checks that nothing else was touched.
    pub(crate) fn import_path(&self, path: &Path, options: &ImportOptions) -> Result<Metadata, ImportError> {
        let name: ImageName = NAME.parse().unwrap();
        let imported = self.store.import(&name, File::open(path).unwrap(), options);
        assert_eq!(listing(&self.path("outside")), self.before, "outside of the store");
        let left = fs::read_dir(self.path("store")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|left| *left != *NAME).collect();
        assert!(left.is_empty(), "left in the store: {left:?}");
        imported
    }
}

/// Mode, time of the last change and contents of each file.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u32, u64, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let known = |path: PathBuf| {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let contents = fs::read(&path).unwrap_or_default();
        (path, (metadata.mode(), metadata.nlink(), contents))
    };
    entries.map(known).collect()
}
