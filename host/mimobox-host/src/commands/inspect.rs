//! `mimobox-host inspect`: a component's permission request, before anything of it runs.

use std::fmt;

use mimobox_component::{Component, Grants, HostInterface, Item, ItemKind, Purpose, Request};
use serde::Serialize;

use crate::cli::{GlobalArguments, InspectArguments};
use crate::components::{Components, Named};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{self, Table};

/// Shows what a component is, what it asks for, and what of that this host does not have.
pub(super) async fn inspect(
    global: &GlobalArguments,
    config: &Config,
    arguments: InspectArguments,
) -> Outcome {
    let component = Named::find(config, &arguments.component)?.read()?;
    let request = Components::new()?.request(&component).await?;
    let report = Report::new(&component, &request);
    if global.json {
        output::show_json(&report)?;
    } else {
        output::show(&report);
    }
    Ok(Exit::Success)
}

/// What `--json` prints, and people read.
#[derive(Serialize)]
struct Report<'a> {
    component: &'a str,
    /// None: nothing that this host could use.
    purpose: Option<&'static str>,
    digest: &'a str,
    /// Bytes.
    size: usize,
    imports: Vec<Import<'a>>,
    exports: Vec<&'a str>,
}

#[derive(Serialize)]
struct Import<'a> {
    name: &'a str,
    /// The functions that it uses.
    functions: &'a [String],
    standing: Standing,
    /// What it lets the component do.
    meaning: &'static str,
}

/// How the host takes an import.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Standing {
    /// The operator decides about it.
    Permission,
    /// Every component has it.
    Free,
    /// This host does not have it: the component cannot run here.
    Lacking,
}

impl<'a> Report<'a> {
    fn new(component: &'a Component, request: &'a Request) -> Self {
        let refused = Grants::all().check(request.import_names()).err();
        let lacking = refused.map_or_else(Vec::new, |refused| refused.unknown);
        let import = |item: &'a Item| Import::new(item, lacking.contains(&item.name));
        Self {
            component: component.name(),
            purpose: request.purpose().map(purpose),
            digest: component.digest(),
            size: component.size(),
            imports: request.imports.iter().map(import).collect(),
            exports: request.exports.iter().map(|export| export.name.as_str()).collect(),
        }
    }
}

impl<'a> Import<'a> {
    fn new(item: &'a Item, lacking: bool) -> Self {
        let functions = match &item.kind {
            ItemKind::Interface { functions } => functions.as_slice(),
            ItemKind::Function | ItemKind::Other => &[],
        };
        let (standing, meaning) = if lacking {
            (Standing::Lacking, "this host does not have it")
        } else {
            match interface(&item.name) {
                Some(interface) => (Standing::Permission, permission(interface)),
                None => (Standing::Free, "reaches nothing outside the component"),
            }
        };
        Self { name: &item.name, functions, standing, meaning }
    }

    fn is_wasi(&self) -> bool {
        self.name.starts_with("wasi:")
    }
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Orchestrator => "orchestrator",
        Purpose::Command | Purpose::AsyncCommand => "command",
        Purpose::Policy => "policy",
    }
}

/// The grantable interface that an import names.
fn interface(import: &str) -> Option<HostInterface> {
    let (name, _version) = import.strip_prefix("mimobox:host/")?.split_once('@')?;
    name.parse().ok()
}

/// What an interface lets a component do.
fn permission(interface: HostInterface) -> &'static str {
    match interface {
        HostInterface::Sandbox => "make sandboxes, pause them, and see what they use",
        HostInterface::Execute => "run programs in its sandboxes to their end",
        HostInterface::Stream => "start programs in its sandboxes, talk to them and signal them",
        HostInterface::Pty => "run programs in its sandboxes on a terminal",
        HostInterface::Files => "read, write and watch files in its sandboxes",
        HostInterface::Snapshot => "save its sandboxes, restore them and multiply them",
        HostInterface::Http => "send requests to the hosts that the operator allows",
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Table(vec![
            ["component".into(), escaped(self.component)],
            ["purpose".into(), self.purpose.unwrap_or("none that this host knows").into()],
            ["digest".into(), self.digest.into()],
            ["size".into(), format!("{} KiB", self.size.div_ceil(1024))],
        ]);
        write!(f, "{head}\nasks to\n")?;
        let permissions = self.lines(|import| import.standing == Standing::Permission);
        match permissions.0.is_empty() {
            true => writeln!(f, "  do nothing outside itself")?,
            false => write!(f, "{permissions}")?,
        }
        let lacking = self.lines(|import| import.standing == Standing::Lacking);
        if !lacking.0.is_empty() {
            write!(f, "\ncannot run here for want of\n{lacking}")?;
        }
        let wasi = |import: &Import<'_>| import.standing == Standing::Free && import.is_wasi();
        let free = self.lines(|import| import.standing == Standing::Free && !import.is_wasi());
        let folded = self.imports.iter().filter(|import| wasi(import)).count();
        if folded > 0 || !free.0.is_empty() {
            write!(f, "\nalso imports\n{free}")?;
        }
        if folded > 0 {
            writeln!(
                f,
                "  {folded} of wasi: output, clocks, random numbers; no file, no network, no environment"
            )?;
        }
        writeln!(f, "\nexports")?;
        self.exports.iter().try_for_each(|export| writeln!(f, "  {}", escaped(export)))
    }
}

impl Report<'_> {
    fn lines(&self, which: impl Fn(&Import<'_>) -> bool) -> Table<2> {
        let shown = self.imports.iter().filter(|import| which(import));
        Table(shown.map(|import| [format!("  {}", escaped(import.name)), import.meaning.into()]).collect())
    }
}

/// A component chooses its names; a terminal must not obey them.
fn escaped(name: &str) -> String {
    name.escape_debug().to_string()
}
