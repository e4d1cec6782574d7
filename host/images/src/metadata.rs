//! What the store knows about an image: `image.json`, beside its root.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Of the layout of an image's folder. A store refuses any other: it can't know what it would mean.
pub(crate) const FORMAT: u32 = 1;

/// What is known about an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub(crate) format: u32,
    /// By which specs ask for it.
    pub name: String,
    /// Of the root as it lies in the store: names, kinds, modes, owners and contents, not times.
    pub digest: Digest,
    /// Where it came from.
    pub source: Source,
    /// When it was imported, in UTC (RFC 3339).
    pub created: String,
    /// Files, directories and links in the root; the root itself is none.
    pub entries: u64,
    /// What its files hold together; a file of several names counts once.
    pub bytes: u64,
    /// What the source had and the root has not.
    pub skipped: Skipped,
    /// What is otherwise in the root than in the source.
    pub altered: Altered,
    /// How the image's maker meant it to be used.
    pub config: ImageConfig,
}

/// What an image was imported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What it was.
    pub kind: SourceKind,
    /// Of the manifest (OCI) or the configuration (docker), which name all the rest by their digests.
    pub digest: Option<Digest>,
    /// What the source calls the image, such as `alpine:3.20`.
    pub reference: Option<String>,
}

/// What an image can be imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A directory that is a root.
    Directory,
    /// A tar archive of a root.
    Archive,
    /// An OCI image layout.
    Oci,
    /// What `docker save` writes.
    Docker,
}

impl SourceKind {
    /// As it stands in `image.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Archive => "archive",
            Self::Oci => "oci",
            Self::Docker => "docker",
        }
    }
}

/// What was left out, and how often. A sandbox gets devices of its own, and no image may bring one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// Character and block devices.
    pub devices: u64,
    /// Named pipes.
    pub pipes: u64,
    /// Sockets.
    pub sockets: u64,
    /// What other file systems held that were mounted in the directory: each mount point is an empty directory.
    pub mounts: u64,
}

impl Skipped {
    /// All together.
    pub fn total(&self) -> u64 {
        let Self { devices, pipes, sockets, mounts } = *self;
        devices + pipes + sockets + mounts
    }
}

/// What was changed on the way in, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Altered {
    /// Set-user-id and set-group-id bits that were dropped.
    pub privileges: u64,
    /// Owners beyond the ids that a sandbox has, which became nobody.
    pub owners: u64,
}

/// How an image's maker meant it to be used. Empty where the source does not say, as a plain root does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Variables, in their order.
    pub environment: Vec<(String, String)>,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    pub user: Option<String>,
    /// Where commands start; absolute.
    pub directory: Option<String>,
}
