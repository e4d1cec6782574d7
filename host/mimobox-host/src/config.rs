//! The operator's configuration: found, read, checked, and turned into what the domain works with.
//!
//! ```text
//! mimobox.toml ─ document (as written) ─ check ─► Config (what it means)
//!                    └ fault: what is wrong, where, and the nearest name
//! ```
//!
//! Without a file there is one too: OS isolation unless a microVM is asked for, no way out, moderate limits, the audit log in the state folder.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mimobox_sandbox::{Access, Ceiling};
use toml::Spanned;

mod document;
mod fault;
mod limits;

use document::{AccessWord, ComponentTable, Document, PolicyTable, VolumeTable};
pub(crate) use fault::ConfigError;
use fault::Source;

use crate::host;

const FILE_NAME: &str = "mimobox.toml";
const VARIABLE: &str = "MIMOBOX_CONFIG";
/// Of one decision, where the configuration says nothing. Generous, since fuel bounds what a decision costs: it is there
/// for a machine that is too busy to decide.
const POLICY_DEADLINE: Duration = Duration::from_secs(1);
/// A name goes into specs, the audit log and reports.
const LONGEST_NAME: usize = 64;

/// What the operator wants.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where it was read from; none: these are the defaults.
    pub(crate) file: Option<PathBuf>,
    /// Nothing can be granted above it. Names the volumes; `volumes` says where they are.
    pub(crate) ceiling: Ceiling,
    /// All must agree, in this order.
    pub(crate) policies: Vec<PolicySetting>,
    /// What `run` knows by name.
    pub(crate) components: BTreeMap<String, ComponentSetting>,
    /// The directory of every volume.
    pub(crate) volumes: BTreeMap<String, PathBuf>,
    /// The audit log; in the state folder where none.
    pub(crate) audit: Option<PathBuf>,
    /// How much the import of an image may bring.
    pub(crate) images: mimobox_images::Limits,
    /// What microVMs start from.
    pub(crate) micro_vm: MicroVmSetting,
    /// Mechanisms that a sandbox may lack.
    pub(crate) tolerate: BTreeSet<String>,
}

/// What microVMs start from, where the operator says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MicroVmSetting {
    /// The guest's kernel.
    pub(crate) kernel: Option<PathBuf>,
    /// The base image.
    pub(crate) base_image: Option<PathBuf>,
}

/// A policy to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PolicySetting {
    /// For the audit log.
    pub(crate) name: String,
    /// The component's file.
    pub(crate) path: PathBuf,
    /// Of one decision.
    pub(crate) deadline: Duration,
}

/// A component that has a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ComponentSetting {
    /// The component's file.
    pub(crate) path: PathBuf,
    /// `sha256:…`: other bytes are refused.
    pub(crate) digest: Option<String>,
    /// What it may import; all that this host has where none.
    pub(crate) interfaces: Option<BTreeSet<String>>,
}

/// The names that this host has, for a configuration to choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vocabulary<'a> {
    /// Interfaces that can be granted.
    pub(crate) interfaces: &'a [&'a str],
    /// Mechanisms that can be tolerated.
    pub(crate) mechanisms: &'a [&'a str],
}

impl Config {
    /// Reads the first that there is: `flag`, `$MIMOBOX_CONFIG`, `./mimobox.toml`, the user's configuration folder.
    /// The first two must be there if they are named.
    pub(crate) fn find(flag: Option<&Path>, known: Vocabulary<'_>) -> Result<Self, ConfigError> {
        let named = flag.map(Path::to_owned).or_else(|| variable(VARIABLE));
        if let Some(file) = named {
            return Self::read(&file, known);
        }
        let here = Some(PathBuf::from(FILE_NAME));
        let of_user = user_folder().map(|folder| folder.join("mimobox-host").join(FILE_NAME));
        match here.into_iter().chain(of_user).find(|file| file.exists()) {
            Some(file) => Self::read(&file, known),
            None => Ok(Self::default()),
        }
    }

    fn read(file: &Path, known: Vocabulary<'_>) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(file).map_err(|source| ConfigError::Read { path: file.to_owned(), source })?;
        Self::parse(file, &text, known)
    }

    fn parse(file: &Path, text: &str, known: Vocabulary<'_>) -> Result<Self, ConfigError> {
        let source = Source { file, text };
        let document: Document = toml::from_str(text).map_err(|error| source.fault(&error))?;
        // What a configuration names lies beside it, wherever the host is started.
        let folder = file.parent().unwrap_or(Path::new(""));

        let mut ceiling = limits::ceiling(&source, &document.ceiling, &document.defaults)?;
        let mut volumes = BTreeMap::new();
        for (name, table) in document.volume {
            let name = checked_name(&source, name)?;
            let VolumeTable { path, access } = table;
            ceiling.volumes.insert(name.clone(), access.into());
            volumes.insert(name, folder.join(path));
        }
        let mut components = BTreeMap::new();
        for (name, table) in document.component {
            if name.get_ref() == host::NAME {
                return Err(source.malformed(&name.span(), "a component can't have the name of this host"));
            }
            components.insert(checked_name(&source, name)?, component(&source, folder, table, known)?);
        }
        Ok(Self {
            file: Some(file.to_owned()),
            ceiling,
            policies: document.policy.into_iter().map(|table| policy(folder, table)).collect(),
            components,
            volumes,
            audit: document.audit.file.map(|file| folder.join(file)),
            images: limits::images(&source, &document.images)?,
            micro_vm: MicroVmSetting {
                kernel: document.micro_vm.kernel.map(|file| folder.join(file)),
                base_image: document.micro_vm.base_image.map(|file| folder.join(file)),
            },
            tolerate: names(&source, "mechanism", document.tolerate, known.mechanisms)?,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            ceiling: Ceiling::moderate(),
            policies: Vec::new(),
            components: BTreeMap::new(),
            volumes: BTreeMap::new(),
            audit: None,
            images: mimobox_images::Limits::default(),
            micro_vm: MicroVmSetting::default(),
            tolerate: BTreeSet::new(),
        }
    }
}

impl PolicySetting {
    /// A policy that goes by its file's name.
    pub(crate) fn of_file(path: PathBuf) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, path, deadline: POLICY_DEADLINE }
    }
}

impl From<AccessWord> for Access {
    fn from(word: AccessWord) -> Self {
        match word {
            AccessWord::Read => Self::ReadOnly,
            AccessWord::ReadWrite => Self::ReadWrite,
        }
    }
}

/// Whether `name` can be one of a volume or a component.
pub(crate) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits)
}

fn checked_name(source: &Source<'_>, name: Spanned<String>) -> Result<String, ConfigError> {
    if is_name(name.get_ref()) {
        return Ok(name.into_inner());
    }
    let message =
        format!("`{}` is no name: letters, digits, `-`, `_` and `.`, at most {LONGEST_NAME}", name.get_ref());
    Err(source.malformed(&name.span(), message))
}

fn policy(folder: &Path, table: PolicyTable) -> PolicySetting {
    let setting = PolicySetting::of_file(folder.join(table.component));
    PolicySetting {
        name: table.name.unwrap_or(setting.name),
        deadline: table.deadline.map_or(setting.deadline, |deadline| deadline.0),
        path: setting.path,
    }
}

fn component(
    source: &Source<'_>,
    folder: &Path,
    table: ComponentTable,
    known: Vocabulary<'_>,
) -> Result<ComponentSetting, ConfigError> {
    let interfaces = |listed| names(source, "interface", listed, known.interfaces);
    Ok(ComponentSetting {
        path: folder.join(table.path),
        digest: table.digest.map(|digest| checked_digest(source, digest)).transpose()?,
        interfaces: table.interfaces.map(interfaces).transpose()?,
    })
}

fn checked_digest(source: &Source<'_>, digest: Spanned<String>) -> Result<String, ConfigError> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match digest.get_ref().strip_prefix("sha256:") {
        Some(digits) if digits.len() == 64 && digits.chars().all(hex) => Ok(digest.into_inner()),
        _ => Err(source.malformed(&digest.span(), "a digest is `sha256:` and 64 digits out of 0-9 and a-f")),
    }
}

/// The listed names, each one of `known`.
fn names(
    source: &Source<'_>,
    kind: &'static str,
    listed: Vec<Spanned<String>>,
    known: &[&str],
) -> Result<BTreeSet<String>, ConfigError> {
    listed
        .into_iter()
        .map(|name| match known.contains(&name.get_ref().as_str()) {
            true => Ok(name.into_inner()),
            false => Err(source.unknown(kind, &name, known)),
        })
        .collect()
}

/// `$XDG_CONFIG_HOME`, or `~/.config` (XDG Base Directory Specification; relative paths count as unset).
fn user_folder() -> Option<PathBuf> {
    let own = variable("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
    own.or_else(|| variable("HOME").map(|home| home.join(".config")))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests;
