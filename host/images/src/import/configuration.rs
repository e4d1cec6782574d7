//! An image's configuration, as OCI and docker both write it: what it runs on, what its layers hold, and how its maker
//! meant it to be used (OCI image specification, "Image Configuration").

use std::env::consts;
use std::fmt;

use serde::Deserialize;

use super::error::BundleFault;
use super::path::shown;
use crate::digest::Digest;
use crate::metadata::ImageConfig;

#[derive(Deserialize)]
pub(crate) struct Configuration {
    #[serde(flatten)]
    platform: Platform,
    #[serde(default)]
    config: Option<Usage>,
    rootfs: RootFs,
}

/// Operating system and processor, by Go's names for them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Platform {
    os: String,
    architecture: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    working_dir: Option<String>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl Platform {
    /// This machine's.
    pub(crate) fn ours() -> Self {
        let architecture = match consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { os: consts::OS.to_owned(), architecture: architecture.to_owned() }
    }

    pub(crate) fn is_ours(&self) -> bool {
        *self == Self::ours()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(format!("{}/{}", self.os, self.architecture).as_bytes()))
    }
}

impl Configuration {
    /// Refuses what is made for another machine: its programs could not even start.
    pub(crate) fn check_platform(&self) -> Result<(), BundleFault> {
        if self.platform.is_ours() {
            return Ok(());
        }
        let (found, wanted) = (self.platform.to_string(), Platform::ours().to_string());
        Err(BundleFault::WrongPlatform { found, wanted })
    }

    /// The digest of each of so many layers, decompressed.
    pub(crate) fn differences(&self, layers: usize) -> Result<Vec<Digest>, BundleFault> {
        let listed = &self.rootfs.diff_ids;
        if listed.len() != layers {
            return Err(BundleFault::LayerCount { layers, differences: listed.len() });
        }
        listed.iter().map(|digest| Ok(digest.parse()?)).collect()
    }

    /// What of it concerns sandboxes. Its program is left out: each command names its own.
    pub(crate) fn image_config(self) -> ImageConfig {
        let Usage { env, user, working_dir } = self.config.unwrap_or_default();
        let variable =
            |text: String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        ImageConfig {
            environment: env.unwrap_or_default().into_iter().filter_map(variable).collect(),
            user: user.filter(|user| !user.is_empty()),
            directory: working_dir.filter(|directory| directory.starts_with('/')),
        }
    }
}
