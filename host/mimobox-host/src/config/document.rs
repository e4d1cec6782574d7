//! `mimobox.toml` as it is written: one struct a table, no key that is not enforced.
//!
//! What these structs do not name is refused, so a permission that this host cannot hold, such as `[[egress]]`, is an
//! error and never a promise.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mimobox_sandbox::Isolation;
use serde::Deserialize;
use toml::Spanned;

use crate::quantity::{Cores, Size, Span};

/// The whole file. Every table may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Document {
    /// Mechanisms, by their names in the enforcement report, that a sandbox may lack.
    pub(super) tolerate: Vec<Spanned<String>>,
    pub(super) ceiling: CeilingTable,
    pub(super) defaults: DefaultsTable,
    pub(super) policy: Vec<PolicyTable>,
    pub(super) component: BTreeMap<Spanned<String>, ComponentTable>,
    pub(super) volume: BTreeMap<Spanned<String>, VolumeTable>,
    pub(super) audit: AuditTable,
    pub(super) images: ImagesTable,
    pub(super) micro_vm: MicroVmTable,
}

/// `[ceiling]`: what can be had at most.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct CeilingTable {
    /// The first is the default.
    pub(super) isolation: Option<Spanned<Vec<Isolation>>>,
    /// At once, of all runs of one host.
    pub(super) sandboxes: Option<Spanned<u32>>,
    /// At once, of one run.
    pub(super) sandboxes_per_run: Option<Spanned<u32>>,
    /// At once, in one sandbox.
    pub(super) commands: Option<Spanned<u32>>,
    /// Of one sandbox.
    pub(super) memory: Option<Spanned<Size>>,
    /// Of one sandbox.
    pub(super) cpu: Option<Spanned<Cores>>,
    /// Processes and threads of one sandbox.
    pub(super) processes: Option<Spanned<u32>>,
    /// What one sandbox may write.
    pub(super) disk: Option<Spanned<Size>>,
    /// Of one command.
    pub(super) timeout: Option<Span>,
    /// Of one sandbox.
    pub(super) lifetime: Option<Span>,
    /// Output of one command, where it is gathered rather than streamed.
    pub(super) output: Option<Size>,
}

/// `[defaults]`: what a sandbox gets that asks for nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct DefaultsTable {
    pub(super) memory: Option<Spanned<Size>>,
    pub(super) cpu: Option<Spanned<Cores>>,
    pub(super) processes: Option<Spanned<u32>>,
    pub(super) disk: Option<Spanned<Size>>,
}

/// `[[policy]]`: all must agree, in this order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PolicyTable {
    /// The component's file.
    pub(super) component: PathBuf,
    /// For the audit log; the file's name where none.
    pub(super) name: Option<String>,
    /// Of one decision.
    pub(super) deadline: Option<Span>,
}

/// `[component.NAME]`: a component that `run` knows by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ComponentTable {
    pub(super) path: PathBuf,
    /// `sha256:…`; other bytes are refused.
    pub(super) digest: Option<Spanned<String>>,
    /// What it may import; all that this host has where none.
    pub(super) interfaces: Option<Vec<Spanned<String>>>,
}

/// `[volume.NAME]`: a directory that a sandbox may mount by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct VolumeTable {
    pub(super) path: PathBuf,
    #[serde(default)]
    pub(super) access: AccessWord,
}

/// How far a volume may be used.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AccessWord {
    #[default]
    Read,
    ReadWrite,
}

/// `[audit]`: where the audit log goes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct AuditTable {
    /// The state folder's `audit.jsonl` where none.
    pub(super) file: Option<PathBuf>,
}

/// `[images]`: how much one import may bring.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ImagesTable {
    /// Of all layers together, decompressed.
    pub(super) bytes: Option<Size>,
    /// Files, directories and links of all layers together.
    pub(super) entries: Option<u64>,
    /// Names in one path.
    pub(super) depth: Option<Spanned<usize>>,
    /// Bytes in one path.
    pub(super) path_length: Option<usize>,
}

/// `[micro-vm]`: what sandboxes of that isolation start from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct MicroVmTable {
    /// The guest's kernel; `vmlinux` beside the program where none.
    pub(super) kernel: Option<PathBuf>,
    /// The base image; `base.erofs` beside the program where none.
    pub(super) base_image: Option<PathBuf>,
}
