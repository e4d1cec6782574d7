//! From a component's file to something that runs or decides: read within a limit, held against its pinned digest, and
//! compiled with a word on the terminal, since the first time takes a while.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use mimobox_component::{
    Component, Engine, EngineConfig, Grants, HostInterface, PolicyGuest, PolicyLimits, PrepareError, Request,
    Runner,
};
use mimobox_sandbox::Policy;

use crate::config::{Config, PolicySetting};
use crate::failure::{Failure, Outcome};
use crate::{host, progress};

/// A JavaScript or Python engine with its program takes up to 40 MiB.
const LARGEST: u64 = 128 * 1024 * 1024;

/// Reads and compiles components.
#[derive(Debug)]
pub(crate) struct Components {
    engine: Engine,
}

/// A component as the command line names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// For policies, the audit log and messages.
    pub(crate) name: String,
    path: PathBuf,
    digest: Option<String>,
    interfaces: Option<BTreeSet<String>>,
}

impl Named {
    /// The component that is configured under this name; otherwise the one in this file.
    ///
    /// Policies know components by their names, so a file can't take the name of a configured one, or of this host.
    pub(crate) fn find(config: &Config, component: &str) -> anyhow::Result<Self> {
        if let Some(setting) = config.components.get(component) {
            return Ok(Self {
                name: component.to_owned(),
                path: setting.path.clone(),
                digest: setting.digest.clone(),
                interfaces: setting.interfaces.clone(),
            });
        }
        let path = PathBuf::from(component);
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        ensure!(
            !config.components.contains_key(&name),
            "{component} would have the name of a configured component: run that one as `{name}`, or rename the file"
        );
        ensure!(name != host::NAME, "{component} would have the name of this host: rename the file");
        Ok(Self { name, path, digest: None, interfaces: None })
    }

    /// Reads it. Nothing is compiled before its digest is known to be the pinned one.
    pub(crate) fn read(&self) -> Outcome<Component> {
        let component = read(&self.name, &self.path)?;
        match &self.digest {
            Some(pinned) if pinned != component.digest() => Err(Failure::refused(anyhow!(
                "component `{}` is not the pinned one: it has digest {}, and the configuration says {pinned}",
                self.name,
                component.digest()
            ))),
            _ => Ok(component),
        }
    }

    /// What the operator grants it: what the configuration lists, or all.
    fn grants(&self) -> Grants {
        let Some(listed) = &self.interfaces else { return Grants::all() };
        HostInterface::ALL.into_iter().filter(|interface| listed.contains(interface.name())).collect()
    }
}

impl Components {
    /// Sets WebAssembly up, with compiled code kept in the user's cache folder.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let cache = mimobox_state::cache()
            .inspect_err(|error| tracing::warn!("compiled code is not kept: {error}"))
            .ok();
        Ok(Self { engine: Engine::new(&EngineConfig { cache })? })
    }

    /// Compiles every policy, in order.
    pub(crate) async fn policies(&self, settings: &[PolicySetting]) -> anyhow::Result<Vec<Arc<dyn Policy>>> {
        let mut policies: Vec<Arc<dyn Policy>> = Vec::with_capacity(settings.len());
        for setting in settings {
            let component = read(&setting.name, &setting.path)?;
            let limits = PolicyLimits { deadline: setting.deadline, ..PolicyLimits::default() };
            let guest = self
                .compile(&component, move |engine, component| PolicyGuest::new(engine, component, limits));
            let guest = guest.await?.with_context(|| format!("failed to load policy `{}`", setting.name))?;
            policies.push(Arc::new(guest));
        }
        Ok(policies)
    }

    /// Compiles a component that is to run, and checks what it imports against what it is granted.
    pub(crate) async fn runner(&self, named: &Named, component: &Component) -> Outcome<Runner> {
        let grants = named.grants();
        tracing::info!(component = named.name, interfaces = %Listed(&grants), "granted");
        let runner =
            self.compile(component, move |engine, component| Runner::new(engine, component, &grants));
        runner.await?.map_err(|error| {
            let refused = matches!(&error, PrepareError::Imports(imports) if imports.unknown.is_empty());
            let error =
                anyhow::Error::new(error).context(format!("failed to load component `{}`", named.name));
            if refused { Failure::refused(error) } else { Failure::new(error) }
        })
    }

    /// What a component asks for.
    pub(crate) async fn request(&self, component: &Component) -> anyhow::Result<Request> {
        let request = self.compile(component, Request::of).await?;
        request.with_context(|| format!("failed to load component `{}`", component.name()))
    }

    async fn compile<T: Send + 'static>(
        &self,
        component: &Component,
        compile: impl FnOnce(&Engine, &Component) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let what = format!("compiling {} (first time)", component.name());
        let (engine, component) = (self.engine.clone(), component.clone());
        progress::shown(&what, move || compile(&engine, &component)).await.context("the compiler failed")
    }
}

fn read(name: &str, path: &Path) -> anyhow::Result<Component> {
    let file = File::open(path).with_context(|| format!("failed to open component {}", path.display()))?;
    Component::read(name, file, LARGEST)
        .with_context(|| format!("failed to load component {}", path.display()))
}

/// The granted interfaces on one line.
struct Listed<'a>(&'a Grants);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let granted = HostInterface::ALL.into_iter().filter(|interface| self.0.contains(*interface));
        let names: Vec<_> = granted.map(HostInterface::name).collect();
        f.write_str(&names.join(" "))
    }
}
