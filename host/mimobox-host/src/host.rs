//! Puts the parts together: the one place that picks a backend and opens what the operator named.

use std::collections::BTreeMap;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_backend_os::{BackendConfig, Mechanism, OsBackend, Volume};
use mimobox_sandbox::{Access, Ceiling, Manager, Parts, Policy};
use mimobox_state::{AuditFile, LazyStore, Place};
use tokio::time::sleep;

use crate::agent;
use crate::cli::{Additions, VolumeArgument};
use crate::config::{Config, PolicySetting};
use crate::images::ImagesInUse;
use crate::micro_vms;

/// Who asks, where no component does.
pub(crate) const NAME: &str = "mimobox-host";
/// A policy's runner keeps its own deadline; this much later nobody waits for it any longer.
const POLICY_GRACE: Duration = Duration::from_secs(1);
/// How often the end of a dropped run's sandboxes is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// All that a run needs.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) manager: Manager,
    pub(crate) audit: Arc<AuditFile>,
    pub(crate) ceiling: Ceiling,
}

impl Host {
    /// Opens the audit log and the volumes and starts the backend. `policies` are asked in their order.
    pub(crate) fn assemble(config: &Config, policies: Vec<Arc<dyn Policy>>) -> anyhow::Result<Self> {
        let name = unique_name();
        let audit = Arc::new(open_audit(config, &name)?);
        tracing::info!(file = %audit.path().display(), "audit log");
        let slowest = config.policies.iter().map(|policy| policy.deadline).max().unwrap_or_default();
        let manager = Manager::new(Parts {
            ceiling: config.ceiling.clone(),
            policies,
            policy_deadline: slowest.saturating_add(POLICY_GRACE),
            audit: audit.clone(),
            snapshots: Some(Arc::new(LazyStore::at(Place::StateFolder))),
            backends: vec![Arc::new(os_backend(config)?), Arc::new(micro_vms::backend(config))],
            name,
        });
        Ok(Self { manager, audit, ceiling: config.ceiling.clone() })
    }

    /// Settles when nothing is left of any sandbox, those among them that were being made when their run was dropped.
    pub(crate) async fn emptied(&self) {
        while self.manager.sandboxes() > 0 {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Adds what the command line declares: policies come last, and a name that is taken would mean two things.
pub(crate) fn declare(config: &mut Config, additions: &Additions) -> anyhow::Result<()> {
    config.policies.extend(additions.policy.iter().cloned().map(PolicySetting::of_file));
    for VolumeArgument { name, directory } in &additions.volume {
        let Some((path, access)) = directory else {
            ensure!(config.volumes.contains_key(name), "no volume `{name}`: write --volume {name}=DIRECTORY");
            continue;
        };
        if config.volumes.insert(name.clone(), path.clone()).is_some() {
            bail!("there is a volume `{name}` already: choose another name");
        }
        config.ceiling.volumes.insert(name.clone(), *access);
    }
    Ok(())
}

fn open_audit(config: &Config, host: &str) -> anyhow::Result<AuditFile> {
    Ok(match &config.audit {
        Some(path) => AuditFile::at(path, host)?,
        None => AuditFile::in_state_folder(host)?,
    })
}

fn os_backend(config: &Config) -> anyhow::Result<OsBackend> {
    let tolerated = |mechanism: &Mechanism| config.tolerate.contains(mechanism.name());
    let backend = BackendConfig {
        images: Some(Arc::new(ImagesInUse::default())),
        volumes: open_volumes(config)?,
        tolerated: Mechanism::ALL.into_iter().filter(tolerated).collect(),
        ..BackendConfig::new(agent::read()?)
    };
    Ok(OsBackend::new(backend)?)
}

/// Opens every volume once: a request names it and never reaches a path.
fn open_volumes(config: &Config) -> anyhow::Result<BTreeMap<String, Volume>> {
    let open = |(name, path): (&String, &std::path::PathBuf)| {
        let access = match config.ceiling.volumes.get(name) {
            Some(Access::ReadWrite) => mimobox_backend_os::Access::ReadWrite,
            Some(Access::ReadOnly) | None => mimobox_backend_os::Access::ReadOnly,
        };
        Ok((name.clone(), Volume { directory: open_directory(name, path)?, access }))
    };
    config.volumes.iter().map(open).collect()
}

fn open_directory(name: &str, path: &Path) -> anyhow::Result<std::os::fd::OwnedFd> {
    let opened = Dir::open_ambient_dir(path, ambient_authority());
    let opened =
        opened.with_context(|| format!("failed to open the volume `{name}` at {}", path.display()))?;
    Ok(opened.into_std_file().into())
}

/// Sets this host's sandboxes apart from those of any other on this machine: the time of its start and its process.
fn unique_name() -> String {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}p{}", started.as_secs(), process::id())
}

/// The names of all mechanisms, of either isolation, for a configuration to tolerate.
pub(crate) fn mechanisms() -> Vec<&'static str> {
    let jail = mimobox_backend_kvm::JailMechanism::ALL.into_iter().map(|mechanism| mechanism.name());
    Mechanism::ALL.iter().map(|mechanism| mechanism.name()).chain(jail).collect()
}
