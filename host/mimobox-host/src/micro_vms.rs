//! What microVMs are made of on this machine, and the backend that makes them once somebody asks for one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_backend_kvm::{
    BeginError, ImageDisks, JailMechanism, KvmBackend, KvmConfig, LazyKvmBackend, MissingPart,
};
use mimobox_backend_os::Mechanism;
use parking_lot::Mutex;

use crate::config::Config;
use crate::images;

/// The user's templates, in the cache folder.
const TEMPLATES: &str = "templates";

/// The backend. Nothing of it is looked at before it is needed.
pub(crate) fn backend(config: &Config) -> LazyKvmBackend {
    let setting = config.micro_vm.clone();
    let volumes = config.volumes.clone();
    let tolerate = config.tolerate.clone();
    let images: Arc<dyn ImageDisks> = Arc::new(DisksInUse::default());
    LazyKvmBackend::new(move || {
        let installed = installed(setting.kernel.as_deref(), setting.base_image.as_deref())?;
        let tolerated = |name: &str| tolerate.contains(name);
        let config = KvmConfig {
            images: Some(Arc::clone(&images)),
            volumes: volumes
                .iter()
                .map(|(name, path)| {
                    let opened = Dir::open_ambient_dir(path, ambient_authority())?;
                    Ok((name.clone(), opened.into_std_file().into()))
                })
                .collect::<io::Result<_>>()?,
            tolerated: Mechanism::ALL.into_iter().filter(|mechanism| tolerated(mechanism.name())).collect(),
            tolerated_jail: JailMechanism::ALL
                .into_iter()
                .filter(|mechanism| tolerated(mechanism.name()))
                .collect(),
            ..installed
        };
        Ok(KvmBackend::new(config)?)
    })
}

/// The parts, opened.
pub(crate) fn installed(
    kernel: Option<&std::path::Path>,
    base_image: Option<&std::path::Path>,
) -> Result<KvmConfig, BeginError> {
    let cache: PathBuf = mimobox_state::cache()?.join(TEMPLATES);
    Ok(KvmConfig::installed(kernel, base_image, cache).map_err(|error: MissingPart| error)?)
}

/// The disks that this host's sandboxes have been made of: a second sandbox of the same name is to be of the same image.
#[derive(Debug, Default)]
struct DisksInUse(Mutex<BTreeMap<String, File>>);

impl ImageDisks for DisksInUse {
    fn open_disk(&self, name: &str) -> io::Result<Option<File>> {
        let mut in_use = self.0.lock();
        if let Some(disk) = in_use.get(name) {
            return disk.try_clone().map(Some);
        }
        // What can't be a name of an image is none of one.
        let Ok(valid) = name.parse() else { return Ok(None) };
        let store = images::store().map_err(io::Error::other)?;
        let Some(image) = store.open_root(&valid).map_err(io::Error::other)? else { return Ok(None) };
        tracing::info!(image = name, digest = %image.metadata().digest, "image");
        let disk = image.open_disk(&mut |_| {}).map_err(io::Error::other)?;
        let lent = disk.try_clone()?;
        in_use.insert(name.to_owned(), disk);
        Ok(Some(lent))
    }
}
