//! Builds every component of the guests' workspace and checks it against the world it is meant for.
//!
//! ```text
//! packages ──► toolchain ──► cargo build ──► inspect ──► <target>/components/<package>.wasm
//!  (what)       (by whom)    <target>/guests   (imports)      (stable copies)
//! ```
//!
//! `<target>` is `CARGO_TARGET_DIR`, or `target` in the root of the repository. The guests have a workspace and a
//! target folder of their own, since on some machines another rustc builds them. Callers: `cargo xtask guests`, and
//! every task that needs components to run.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

mod debian;
mod inspect;
mod packages;

mod toolchain;

pub(crate) use toolchain::{Compiler, Route};

/// What to build.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Only these packages; all guests where none is named
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
    /// Insist on this compiler, rather than take the first that works
    #[arg(long)]
    pub(crate) compiler: Option<Compiler>,
}

/// What was built, and how.
#[derive(Debug)]
pub(crate) struct Built {
    /// The toolchain that compiled the guests.
    pub(crate) route: Route,
    /// One component a guest package, in the order of their names.
    pub(crate) components: Vec<BuiltComponent>,
}

/// A component that stands ready to run.
#[derive(Debug)]
pub(crate) struct BuiltComponent {
    /// The package's name, which is also the file's.
    pub(crate) name: String,
    /// Its stable copy; the bytes change only when the build gave others.
    pub(crate) path: PathBuf,
    /// Size in bytes.
    pub(crate) size: usize,
    /// The interfaces that it asks its host for.
    pub(crate) imports: Vec<String>,
}

/// Builds the guests that `options` name. A second run with nothing changed takes as long as cargo's own check.
pub(crate) fn build(options: &Options) -> Result<Built> {
    let root = workspace::root()?;
    let workspace = root.join("guest-components");
    let target = workspace::target(&root);
    let guests = packages::select(packages::list(&workspace)?, &options.packages)?;

    let route = toolchain::find_or_make(options.compiler)?;
    eprintln!("guests: {route}");
    let guest_target = target.join("guests");
    // Cargo gives the packages of one build the same features of what they share. A policy is built without std, so
    // nothing of an orchestrator's wishes may reach it: hence two builds.
    let (policies, others): (Vec<_>, Vec<_>) = guests.iter().partition(|guest| guest.is_policy());
    for packages in [policies, others].iter().filter(|packages| !packages.is_empty()) {
        let mut cargo = route.cargo_build(&workspace, &guest_target)?;
        for guest in packages {
            cargo.arg("--package").arg(&guest.name);
        }
        process::run(&mut cargo).context("failed to compile the guests")?;
    }

    let folder = target.join("components");
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let mut components = Vec::with_capacity(guests.len());
    let mut faults = Vec::new();
    for guest in &guests {
        let file = guest_target.join(route.target()).join("release").join(guest.artifact());
        let bytes = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let shape = inspect::inspect(&bytes).with_context(|| format!("{} is no component", guest.name))?;
        faults.extend(guest.faults(&shape));
        let path = folder.join(format!("{}.wasm", guest.name));
        workspace::write_if_changed(&path, &bytes)?;
        components.push(BuiltComponent {
            name: guest.name.clone(),
            path,
            size: bytes.len(),
            imports: shape.imports,
        });
    }
    if !faults.is_empty() {
        bail!("these components do not fit their world:\n  {}", faults.join("\n  "));
    }
    Ok(Built { route, components })
}

/// Runs the tests that guests have of their own, natively: pure logic, such as a policy's patterns.
pub(crate) fn test(root: &Path) -> Result<()> {
    let mut cargo = workspace::cargo(&root.join("guest-components"));
    cargo
        .args(["test", "--quiet", "--workspace", "--target-dir"])
        .arg(workspace::target(root).join("guests"));
    process::run(&mut cargo).context("the guests' own tests failed")
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.components.iter().map(|component| component.name.len()).max().unwrap_or(0);
        for component in &self.components {
            let imports = match component.imports.as_slice() {
                [] => "imports nothing".to_owned(),
                imports => imports.join(" "),
            };
            let kib = component.size.div_ceil(1024);
            writeln!(f, "{:width$}  {kib:>5} KiB  {imports}", component.name)?;
        }
        let folder = self.components.first().and_then(|component| component.path.parent());
        let folder = folder.unwrap_or(Path::new(".")).display();
        write!(f, "{} components in {folder}, {}", self.components.len(), self.route)
    }
}
