//! An OCI image layout: `index.json` names a manifest, which names a configuration and layers, all by their digests (OCI
//! image specification, "Image Layout").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::bundle::{Bundle, Expected};
use super::configuration::{Configuration, Platform};
use super::error::{BundleFault, ImportError};
use super::limits::LimitReached;
use super::path::shown;
use super::tree::Tree;
use crate::digest::Digest;
use crate::metadata::{ImageConfig, Source, SourceKind};

pub(crate) const LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
const VERSION: &str = "1.0.0";
/// An index of indexes is what build tools write for several platforms; deeper ones nobody does.
const DEEPEST_INDEX: usize = 4;
/// What overlay file systems and registries take.
pub(super) const MOST_LAYERS: usize = 500;

const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// How a layer is really compressed, its first bytes tell.
const LAYERS: [&str; 8] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];
/// Names of an image: the one by which registries know it first.
const REFERENCES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

#[derive(Deserialize)]
struct Layout {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Puts the image of this machine's platform into the tree.
pub(crate) fn import(
    bundle: &Bundle<'_>,
    reference: Option<&str>,
    tree: &mut Tree<'_>,
) -> Result<(Source, ImageConfig), ImportError> {
    let layout: Layout = bundle.document(LAYOUT, &Expected::default())?;
    if layout.version != VERSION {
        return Err(BundleFault::LayoutVersion(shown(layout.version.as_bytes())).into());
    }
    let index: Index = bundle.document(INDEX, &Expected::default())?;
    let (chosen, known_as) = choose(bundle, index, reference)?;
    let digest: Digest = chosen.digest()?;
    let manifest: Manifest = bundle.document(&chosen.path()?, &chosen.expected()?)?;
    let configuration: Configuration =
        bundle.document(&manifest.config.path()?, &manifest.config.expected()?)?;
    configuration.check_platform()?;
    if manifest.layers.len() > MOST_LAYERS {
        return Err(ImportError::Limit(LimitReached::Layers(MOST_LAYERS)));
    }
    let differences = configuration.differences(manifest.layers.len())?;
    for (layer, difference) in manifest.layers.iter().zip(differences) {
        if !LAYERS.contains(&layer.media_type.as_str()) {
            return Err(layer.unknown());
        }
        let expected = Expected { difference: Some(difference), ..layer.expected()? };
        bundle.layer(&layer.path()?, &expected, tree)?;
    }
    let source = Source { kind: SourceKind::Oci, digest: Some(digest), reference: known_as };
    Ok((source, configuration.image_config()))
}

/// The one manifest that is meant, and what the layout calls it.
fn choose(
    bundle: &Bundle<'_>,
    index: Index,
    reference: Option<&str>,
) -> Result<(Descriptor, Option<String>), ImportError> {
    let mut candidates = index.manifests;
    if let Some(reference) = reference {
        candidates.retain(|candidate| candidate.references().any(|known| known == reference));
    }
    let mut known_as = None;
    for _ in 0..DEEPEST_INDEX {
        candidates.retain(|candidate| candidate.platform.as_ref().is_none_or(Platform::is_ours));
        let [candidate] = candidates.as_slice() else { return Err(none_or_several(&candidates, reference)) };
        known_as = known_as.or_else(|| candidate.references().next().map(str::to_owned));
        match candidate.media_type.as_str() {
            kind if MANIFESTS.contains(&kind) => return Ok((candidate.clone(), known_as)),
            kind if INDEXES.contains(&kind) => {}
            _ => return Err(candidate.unknown()),
        }
        let inner: Index = bundle.document(&candidate.path()?, &candidate.expected()?)?;
        candidates = inner.manifests;
    }
    Err(BundleFault::NestedIndexes.into())
}

fn none_or_several(candidates: &[Descriptor], reference: Option<&str>) -> ImportError {
    if candidates.is_empty() {
        return match reference {
            Some(reference) => BundleFault::no_image(reference),
            None => BundleFault::NoImage(format!("for {}", Platform::ours())),
        }
        .into();
    }
    let names: Vec<_> = candidates.iter().flat_map(Descriptor::references).collect();
    BundleFault::SeveralImages(shown(names.join(", ").as_bytes())).into()
}

impl Descriptor {
    fn digest(&self) -> Result<Digest, BundleFault> {
        Ok(self.digest.parse()?)
    }

    fn path(&self) -> Result<String, BundleFault> {
        Ok(format!("blobs/sha256/{}", self.digest()?.hex()))
    }

    fn expected(&self) -> Result<Expected, BundleFault> {
        Ok(Expected { digest: Some(self.digest()?), size: Some(self.size), difference: None })
    }

    fn references(&self) -> impl Iterator<Item = &str> {
        REFERENCES.iter().filter_map(|key| self.annotations.get(*key)).map(String::as_str)
    }

    fn unknown(&self) -> ImportError {
        BundleFault::UnknownMediaType(shown(self.media_type.as_bytes())).into()
    }
}
