//! What `docker save` writes: `manifest.json` names a configuration and layers by their paths; the configuration has the
//! layers' digests (moby, image specification 1.2).

use serde::Deserialize;

use super::bundle::{Bundle, Expected};
use super::configuration::Configuration;
use super::error::{BundleFault, ImportError};
use super::limits::LimitReached;
use super::oci::MOST_LAYERS;
use super::path::shown;
use super::tree::Tree;
use crate::digest::Digest;
use crate::metadata::{ImageConfig, Source, SourceKind};

pub(crate) const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Saved {
    fn references(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().flatten().map(String::as_str)
    }
}

/// Puts the one image, or the one of this reference, into the tree.
pub(crate) fn import(
    bundle: &Bundle<'_>,
    reference: Option<&str>,
    tree: &mut Tree<'_>,
) -> Result<(Source, ImageConfig), ImportError> {
    let mut saved: Vec<Saved> = bundle.document(MANIFEST, &Expected::default())?;
    if let Some(reference) = reference {
        saved.retain(|image| image.references().any(|known| known == reference));
    }
    let [image] = saved.as_slice() else { return Err(none_or_several(&saved, reference)) };
    if image.layers.len() > MOST_LAYERS {
        return Err(ImportError::Limit(LimitReached::Layers(MOST_LAYERS)));
    }
    let digest = named_digest(&image.config);
    let expected = Expected { digest: digest.clone(), ..Expected::default() };
    let configuration: Configuration = bundle.document(&image.config, &expected)?;
    configuration.check_platform()?;
    let differences = configuration.differences(image.layers.len())?;
    for (layer, difference) in image.layers.iter().zip(differences) {
        let expected = Expected { difference: Some(difference), ..Expected::default() };
        bundle.layer(layer, &expected, tree)?;
    }
    let reference = reference.or_else(|| image.references().next()).map(str::to_owned);
    Ok((Source { kind: SourceKind::Docker, digest, reference }, configuration.image_config()))
}

/// The digest that a configuration's file is named by: `<digits>.json`, or `blobs/sha256/<digits>` of later versions.
fn named_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    Digest::from_hex(name.strip_suffix(".json").unwrap_or(name))
}

fn none_or_several(saved: &[Saved], reference: Option<&str>) -> ImportError {
    if saved.is_empty() {
        return match reference {
            Some(reference) => BundleFault::no_image(reference),
            None => BundleFault::NoImage("at all".into()),
        }
        .into();
    }
    let names: Vec<_> = saved.iter().flat_map(Saved::references).collect();
    BundleFault::SeveralImages(shown(names.join(", ").as_bytes())).into()
}
