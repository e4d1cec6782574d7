//! What sandboxes are made by, and what holds for all of them.
//!
//! ```text
//!   Sandbox::new ──────────┐
//!   Sandbox::with_config ──┴─► Config ─► its host ─► domain: ceiling ∩ policies ─► audit log ─► OS backend
//!                                         ├ the program's one shared host, started at the first need
//!                                         ├ one of the Config's own, where it names policies, an audit log, …
//!                                         └ one that was given: Host::builder()
//! ```
//!
//! The program that embeds this library is the operator: it says here what its sandboxes may do at most, and a
//! [`Config`](crate::Config) asks for something under that.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mimobox_backend_kvm::{BeginError, KvmBackend, KvmConfig, LazyKvmBackend};
use mimobox_backend_os::{BackendConfig, Mechanism, NewBackendError, OsBackend, Volume, agent_path};
use mimobox_sandbox::{Access, AuditSink, Ceiling, Manager, Parts, Policy, Run, SnapshotId, Subject};
use mimobox_state::{AuditFile, LazyStore, OpenAuditError, Place};
use parking_lot::Mutex;
use tokio::io::AsyncRead;

use crate::config::Config;
use crate::error::Result;
use crate::sandbox::Sandbox;
use crate::snapshot::SandboxSnapshot;

/// Who asks, where the program gives no name of its own.
const NAME: &str = "mimobox";
/// In the user's cache folder: what microVMs start from.
const TEMPLATES: &str = "templates";
/// Of one policy's decision.
const POLICY_DEADLINE: Duration = Duration::from_secs(1);

/// A host of sandboxes. Clones are the same host; with the last of them and of its sandboxes it ends.
///
/// Starting one takes some milliseconds, so that a program has few: most have the shared one, which
/// [`Sandbox::new`] uses.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    run: Run,
    manager: Manager,
}

impl Host {
    /// Says what the host is made of, piece by piece.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// The host that this program's sandboxes share: started at the first call, and there until the program ends.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host): it could not be started. The next call tries again.
    pub async fn shared() -> Result<Self> {
        static SHARED: LazyLock<Arc<LazyHost>> = LazyLock::new(Arc::default);
        SHARED.get().await
    }

    /// Makes a sandbox here. The host that `config` names, if any, is not asked.
    ///
    /// # Errors
    /// As for [`Sandbox::with_config`].
    pub async fn sandbox(&self, config: &Config) -> Result<Sandbox> {
        Sandbox::create(self.clone(), config).await
    }

    /// Finds a snapshot by its name. Policies are asked as for restoring it.
    ///
    /// # Errors
    /// `NotFound`, `InvalidArgument` (it is damaged), `Denied`, `Failed`.
    pub async fn open_snapshot(&self, id: &SnapshotId) -> Result<SandboxSnapshot> {
        Ok(SandboxSnapshot::new(self.run().open_snapshot(id).await?, self.clone(), None))
    }

    /// Takes in a snapshot's bytes as they come. They are checked whole, whoever made them.
    ///
    /// # Errors
    /// As for [`SandboxSnapshot::from_bytes`].
    pub async fn load_snapshot(&self, bytes: impl AsyncRead + Send + 'static) -> Result<SandboxSnapshot> {
        Ok(SandboxSnapshot::new(self.run().load_snapshot(Box::pin(bytes)).await?, self.clone(), None))
    }

    /// How many sandboxes there are now, those being made or destroyed among them.
    pub fn sandboxes(&self) -> u32 {
        self.0.manager.sandboxes()
    }

    pub(crate) fn run(&self) -> &Run {
        &self.0.run
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("sandboxes", &self.sandboxes()).finish_non_exhaustive()
    }
}

/// What a host is made of. Where nothing is said: the agent from `$MIMOBOX_AGENT` or beside the program, the audit log and
/// the snapshots in the user's state folder, moderate limits, no policy and no volume.
#[derive(Clone)]
pub struct HostBuilder {
    name: String,
    agent: Option<Arc<[u8]>>,
    audit: Option<Arc<dyn AuditSink>>,
    policies: Vec<Arc<dyn Policy>>,
    policy_deadline: Duration,
    volumes: BTreeMap<String, (PathBuf, Access)>,
    ceiling: Ceiling,
    tolerated: Vec<String>,
    snapshots: Place,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            name: NAME.to_owned(),
            agent: None,
            audit: None,
            policies: Vec::new(),
            policy_deadline: POLICY_DEADLINE,
            volumes: BTreeMap::new(),
            ceiling: moderate_ceiling(),
            tolerated: Vec::new(),
            snapshots: Place::default(),
        }
    }
}

impl HostBuilder {
    /// What policies and the audit log call this program.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The agent's program itself, for a program that carries it along (`include_bytes!`).
    #[must_use]
    pub fn agent(mut self, program: impl Into<Arc<[u8]>>) -> Self {
        self.agent = Some(program.into());
        self
    }

    /// Where every request is written down before it has an effect. In place of the file
    /// `$XDG_STATE_HOME/mimobox-host/audit.jsonl` (`~/.local/state/…`), which the command line writes to as well.
    #[must_use]
    pub fn audit(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(sink));
        self
    }

    /// One more policy that must agree; asked after those before it.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policies.push(Arc::new(policy));
        self
    }

    /// How long one policy may take for a decision, which is a denial then. One second where nothing is said.
    #[must_use]
    pub fn policy_deadline(mut self, deadline: Duration) -> Self {
        self.policy_deadline = deadline;
        self
    }

    /// Declares a directory of this machine that sandboxes may mount by `name`. It is opened once, when the host starts.
    #[must_use]
    pub fn volume(mut self, name: impl Into<String>, directory: impl Into<PathBuf>, access: Access) -> Self {
        self.volumes.insert(name.into(), (directory.into(), access));
        self
    }

    /// What sandboxes may have at most, and what they get where they ask for nothing; [`moderate_ceiling`] where nothing is
    /// said. Its volumes are those of [`HostBuilder::volume`].
    #[must_use]
    pub fn ceiling(mut self, ceiling: Ceiling) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// Lets sandboxes lack a mechanism that this machine does not have, by its name in the enforcement report, such as
    /// `landlock`. Without this word a sandbox that would lack it is refused.
    #[must_use]
    pub fn tolerate(mut self, mechanism: impl Into<String>) -> Self {
        self.tolerated.push(mechanism.into());
        self
    }

    /// The folder that snapshots are kept in, 64 GiB of them at most. In place of `snapshots` beside the audit log in the
    /// user's state folder. It is made at the first snapshot, if it is not there, and refused then if others may write to it.
    #[must_use]
    pub fn snapshots(mut self, folder: impl Into<PathBuf>) -> Self {
        self.snapshots = Place::Given(folder.into());
        self
    }

    /// Starts the host. It opens files and looks at the machine, for some milliseconds.
    ///
    /// # Errors
    /// Each variant of [`StartHostError`] is a step.
    pub fn start(self) -> Result<Host, StartHostError> {
        let id = unique_name();
        let agent = match self.agent {
            Some(agent) => agent.to_vec(),
            None => read_agent()?,
        };
        let audit = match self.audit {
            Some(audit) => audit,
            None => Arc::new(AuditFile::in_state_folder(&id)?),
        };
        let micro_vms = micro_vms(&self.volumes);
        let backend = BackendConfig {
            volumes: open_volumes(&self.volumes)?,
            tolerated: self.tolerated.into_iter().map(mechanism).collect::<Result<_, _>>()?,
            ..BackendConfig::new(agent)
        };
        let volumes = self.volumes.into_iter().map(|(name, (_, access))| (name, access)).collect();
        let manager = Manager::new(Parts {
            ceiling: Ceiling { volumes, ..self.ceiling },
            policies: self.policies,
            policy_deadline: self.policy_deadline,
            audit,
            backends: vec![Arc::new(OsBackend::new(backend)?), Arc::new(micro_vms)],
            snapshots: Some(Arc::new(LazyStore::at(self.snapshots))),
            name: id,
        });
        let run = manager.begin(Subject { component: self.name, ..Subject::default() });
        Ok(Host(Arc::new(Inner { run, manager })))
    }
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("name", &self.name)
            .field("volumes", &self.volumes)
            .field("ceiling", &self.ceiling)
            .field("tolerated", &self.tolerated)
            .finish_non_exhaustive()
    }
}

/// Why no host could be started: one variant a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartHostError {
    /// This program's own path is unknown, beside which the agent would be.
    #[error("failed to find out where this program lies")]
    OwnPlace(#[source] io::Error),
    /// There is no agent.
    #[error("failed to read the sandboxes' agent {path}: name it in $MIMOBOX_AGENT, or give its bytes to the host", path = .path.display())]
    Agent {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it could not be read.
        source: io::Error,
    },
    /// The audit log could not be opened.
    #[error(transparent)]
    Audit(#[from] OpenAuditError),
    /// A volume's directory could not be opened.
    #[error("failed to open the volume `{name}` at {path}", path = .path.display())]
    Volume {
        /// Its name.
        name: String,
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No mechanism of that name can be tolerated.
    #[error("failed to tolerate `{0}`: there is no such mechanism")]
    Mechanism(String),
    /// The backend did not start.
    #[error(transparent)]
    Backend(#[from] NewBackendError),
    /// The runtime that should start it is shutting down.
    #[error("failed to start a host while the runtime shuts down")]
    ShuttingDown,
}

/// What holds where nothing is said: enough for a build or a script, not enough to trouble the machine.
pub fn moderate_ceiling() -> Ceiling {
    let moderate = Ceiling::moderate();
    // All sandboxes of a program that embeds this library may be of one run.
    Ceiling { sandboxes_per_run: moderate.sandboxes, ..moderate }
}

/// The agent's program, from where it is installed.
fn read_agent() -> Result<Vec<u8>, StartHostError> {
    let path = agent_path().map_err(StartHostError::OwnPlace)?;
    fs::read(&path).map_err(|source| StartHostError::Agent { path, source })
}

/// A host that is started at the first need.
#[derive(Debug, Default)]
pub(crate) struct LazyHost {
    builder: HostBuilder,
    started: Mutex<Option<Host>>,
}

impl LazyHost {
    pub(crate) fn new(builder: HostBuilder) -> Self {
        Self { builder, started: Mutex::new(None) }
    }

    /// The host, started if it was not yet. What failed is tried again at the next call.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Host> {
        if let Some(host) = self.started.try_lock().and_then(|started| started.clone()) {
            return Ok(host);
        }
        let lazy = self.clone();
        let started = tokio::task::spawn_blocking(move || {
            // Held while it starts: who comes meanwhile wants this one.
            let mut started = lazy.started.lock();
            match &*started {
                Some(host) => Ok(host.clone()),
                None => Ok(started.insert(lazy.builder.clone().start()?).clone()),
            }
        });
        let started: Result<Host, StartHostError> =
            started.await.map_err(|_| StartHostError::ShuttingDown)?;
        Ok(started?)
    }
}

/// Makes microVMs, from what lies beside the program, once somebody asks for one.
fn micro_vms(volumes: &BTreeMap<String, (PathBuf, Access)>) -> LazyKvmBackend {
    let volumes = volumes.clone();
    LazyKvmBackend::new(move || -> Result<_, BeginError> {
        let opened = volumes
            .iter()
            .map(|(name, (path, _))| Ok((name.clone(), OwnedFd::from(File::open(path)?))))
            .collect::<io::Result<_>>()?;
        let cache = mimobox_state::cache()?.join(TEMPLATES);
        Ok(KvmBackend::new(KvmConfig { volumes: opened, ..KvmConfig::installed(None, None, cache)? })?)
    })
}

fn open_volumes(
    volumes: &BTreeMap<String, (PathBuf, Access)>,
) -> Result<BTreeMap<String, Volume>, StartHostError> {
    let open = |(name, (path, access)): (&String, &(PathBuf, Access))| {
        let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
            true => Ok(OwnedFd::from(file)),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        let failed = |source| StartHostError::Volume { name: name.clone(), path: path.clone(), source };
        let access = match access {
            Access::ReadOnly => mimobox_backend_os::Access::ReadOnly,
            Access::ReadWrite => mimobox_backend_os::Access::ReadWrite,
        };
        Ok((name.clone(), Volume { directory: opened.map_err(failed)?, access }))
    };
    volumes.iter().map(open).collect()
}

fn mechanism(name: String) -> Result<Mechanism, StartHostError> {
    let known = Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name);
    known.ok_or(StartHostError::Mechanism(name))
}

/// Sets this host's sandboxes apart from those of any other on this machine: the time of its start, its process, and which
/// of the process's hosts it is.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}p{}x{}", started.as_secs(), process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
