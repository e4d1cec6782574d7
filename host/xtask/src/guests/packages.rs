//! The guest packages: every `cdylib` of the guests' workspace, with the world that it says it is for.
//!
//! A package says so in its manifest:
//!
//! ```toml
//! [package.metadata.mimobox]
//! world = "policy"            # or "orchestrator", "command"
//! misfit = true               # a test program that must not fit: the check then expects a fault
//! ```

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::inspect::Shape;
use super::toolchain;
use crate::process;

/// One package that becomes one component.
#[derive(Debug)]
pub(super) struct Guest {
    /// The package's name.
    pub(super) name: String,
    library: String,
    world: World,
    misfit: bool,
}

/// What a component is for, and so what it may import and must export.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum World {
    Orchestrator,
    Policy,
    Command,
}

impl Guest {
    /// The file's name that cargo gives the component.
    pub(super) fn artifact(&self) -> String {
        format!("{}.wasm", self.library)
    }

    /// Whether it is built without std.
    pub(super) fn is_policy(&self) -> bool {
        matches!(self.world, World::Policy)
    }

    /// In what the built component differs from its world, a sentence each.
    pub(super) fn faults(&self, shape: &Shape) -> Vec<String> {
        let faults = self.world.faults(shape);
        match (self.misfit, faults.is_empty()) {
            (false, _) => faults.into_iter().map(|fault| format!("{} {fault}", self.name)).collect(),
            (true, true) => vec![format!("{} is a misfit by its manifest, but fits its world", self.name)],
            (true, false) => Vec::new(),
        }
    }
}

impl World {
    fn faults(self, shape: &Shape) -> Vec<String> {
        let mut faults: Vec<String> = shape
            .imports
            .iter()
            .filter(|import| !self.permits(import))
            .map(|import| format!("imports {import}, which its world does not have"))
            .collect();
        let export = match self {
            Self::Orchestrator => "run",
            Self::Policy => "mimobox:policy/decision@",
            Self::Command => "wasi:cli/run@",
        };
        if !shape.exports.iter().any(|name| name.starts_with(export)) {
            faults.push(format!("does not export {}", export.trim_end_matches('@')));
        }
        faults
    }

    /// A policy imports nothing at all; the others what the host offers.
    fn permits(self, import: &str) -> bool {
        match self {
            Self::Orchestrator => import.starts_with("mimobox:host/") || import.starts_with("wasi:"),
            Self::Policy => false,
            Self::Command => import.starts_with("wasi:"),
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
    metadata: Option<PackageMetadata>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct PackageMetadata {
    mimobox: Option<GuestMetadata>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuestMetadata {
    world: World,
    #[serde(default)]
    misfit: bool,
}

/// Every guest package of the workspace, in the order of their names.
pub(super) fn list(workspace: &Path) -> Result<Vec<Guest>> {
    let mut cargo = Command::new(toolchain::cargo());
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(workspace);
    let metadata = process::output(&mut cargo).context("failed to list the guest packages")?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata is not as expected")?;

    let mut guests = Vec::new();
    for package in metadata.packages {
        let Some(library) = package.targets.iter().find(|target| target.is_component()) else { continue };
        let Some(guest) = package.metadata.and_then(|metadata| metadata.mimobox) else {
            bail!("{} is a component, but has no [package.metadata.mimobox] with its world", package.name);
        };
        let library = library.name.replace('-', "_");
        guests.push(Guest { name: package.name, library, world: guest.world, misfit: guest.misfit });
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

/// The guests with these names; all where there is none.
pub(super) fn select(guests: Vec<Guest>, names: &[String]) -> Result<Vec<Guest>> {
    if let Some(unknown) = names.iter().find(|name| guests.iter().all(|guest| guest.name != **name)) {
        let known: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        bail!("there is no guest package {unknown:?}; there are {}", known.join(", "));
    }
    Ok(guests.into_iter().filter(|guest| names.is_empty() || names.contains(&guest.name)).collect())
}

impl Target {
    fn is_component(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(world: World, misfit: bool) -> Guest {
        Guest { name: "guest".to_owned(), library: "guest".to_owned(), world, misfit }
    }

    fn shape(imports: &[&str], exports: &[&str]) -> Shape {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Shape { imports: owned(imports), exports: owned(exports) }
    }

    #[test]
    fn policy_with_an_import_is_a_fault_that_names_it() {
        let shape = shape(&["mimobox:host/timer@0.1.0"], &["mimobox:policy/decision@0.1.0"]);
        let faults = guest(World::Policy, false).faults(&shape);
        assert_eq!(faults, ["guest imports mimobox:host/timer@0.1.0, which its world does not have"]);
        assert!(guest(World::Policy, true).faults(&shape).is_empty());
    }

    #[test]
    fn misfit_that_fits_is_a_fault() {
        let shape = shape(&[], &["mimobox:policy/decision@0.1.0"]);
        assert!(guest(World::Policy, false).faults(&shape).is_empty());
        assert_eq!(guest(World::Policy, true).faults(&shape).len(), 1);
    }

    #[test]
    fn component_without_its_export_is_a_fault() {
        assert_eq!(guest(World::Command, false).faults(&shape(&[], &["run"])).len(), 1);
        assert_eq!(guest(World::Orchestrator, false).faults(&shape(&["wasi:io/poll@0.2.0"], &[])).len(), 1);
    }
}
