//! Makes sandboxes.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;
use mimobox_agent_client::{Client, Options};
#[cfg(feature = "weaken")]
use mimobox_confine::Plan;
use mimobox_confine::cgroup::{GroupLimits, Hierarchies, HostGroups};
use mimobox_confine::launch::Program;
use mimobox_confine::{Access, Filter, Status, compile_filters, detach_mount};
use mimobox_sandbox::{
    Authorized, Backend, Created, Enforcement, EnforcementStatus, Isolation, Mount, Result, SandboxGrant,
    SandboxId,
};
use nix::unistd::geteuid;

use crate::config::{BackendConfig, Volume};
use crate::enclosure::{Order, Ready, Workshop};
use crate::error::{CreateError, NewBackendError};
use crate::host_root::HostRoot;
use crate::instance::OsInstance;
use crate::janitor::Janitor;
use crate::plan;
use crate::users::Users;

/// The one image there is: this machine's programs, read-only.
const HOST_IMAGE: &str = "host";

/// Makes sandboxes of isolation `os`.
#[derive(Debug)]
pub struct OsBackend {
    workshop: Arc<Workshop>,
    root: HostRoot,
    filters: Vec<Filter>,
    volumes: BTreeMap<String, Volume>,
    #[cfg(feature = "weaken")]
    weaken: fn(&mut Plan),
}

#[cfg(feature = "weaken")]
impl OsBackend {
    /// Lets `change` at the plan of every sandbox: only so can a test show that an attempt is stopped by the mechanism that
    /// it takes away, and not by a mistake in the attempt.
    pub fn weaken(&mut self, change: fn(&mut Plan)) {
        self.weaken = change;
    }

    fn weakened(&self, mut plan: Plan) -> Plan {
        (self.weaken)(&mut plan);
        plan
    }
}

impl OsBackend {
    /// Loads the agent, compiles the filters, and makes this host's cgroups after removing those of hosts that died.
    ///
    /// # Errors
    /// Each variant of [`NewBackendError`] is a step.
    pub fn new(config: BackendConfig) -> Result<Self, NewBackendError> {
        let BackendConfig { agent, volumes, tolerated, user_base } = config;
        if !geteuid().is_root() {
            return Err(NewBackendError::NotRoot);
        }
        let users = Users::new(user_base, std::process::id()).ok_or(NewBackendError::UserBase(user_base))?;
        let workshop = Workshop {
            program: Program::load(&agent)?,
            users: Arc::new(users),
            tolerated,
            groups: HostGroups::create(&Hierarchies::discover()?)?,
            janitor: Janitor::default(),
        };
        Ok(Self {
            workshop: Arc::new(workshop),
            root: HostRoot::survey()?,
            filters: compile_filters()?,
            volumes,
            #[cfg(feature = "weaken")]
            weaken: |_| {},
        })
    }

    fn order(&self, id: &SandboxId, grant: &SandboxGrant) -> Result<Order, CreateError> {
        if grant.image != HOST_IMAGE {
            return Err(CreateError::Image(grant.image.clone()));
        }
        let plan = plan::write(grant, &self.root, &self.filters)?;
        #[cfg(feature = "weaken")]
        let plan = self.weakened(plan);
        let volumes = grant.mounts.iter().map(|mount| self.volume(mount)).collect::<Result<_, _>>()?;
        let limits = GroupLimits {
            memory: grant.limits.memory,
            processes: grant.limits.processes,
            cpu: grant.limits.cpu,
        };
        Ok(Order { name: id.to_string(), limits, plan, volumes })
    }

    fn volume(&self, mount: &Mount) -> Result<OwnedFd, CreateError> {
        let name = &mount.volume;
        let volume = self.volumes.get(name).ok_or_else(|| CreateError::Volume(name.clone()))?;
        let access = match (mount.read_only, volume.access) {
            (true, _) => Access::ReadOnly,
            (false, Access::ReadWrite) => Access::ReadWrite,
            (false, Access::ReadOnly) => return Err(CreateError::ReadOnlyVolume(name.clone())),
        };
        detach_mount(volume.directory.as_fd(), access, name).map_err(CreateError::CloneVolume)
    }

    async fn make(&self, order: Order) -> Result<Created, CreateError> {
        let workshop = Arc::clone(&self.workshop);
        // If this future is dropped meanwhile, nobody takes what is made, and dropping it undoes it.
        let made = tokio::task::spawn_blocking(move || workshop.make(&order)).await;
        let Ready { enclosure, connection, enforcement } = made.map_err(|_| CreateError::ShuttingDown)??;
        let client = Client::connect(connection, Options::default()).await.map_err(CreateError::Connect)?;
        let enforcement = enforcement.into_iter().map(line).collect();
        Ok(Created { instance: Arc::new(OsInstance::new(enclosure, client)), enforcement })
    }
}

#[async_trait]
impl Backend for OsBackend {
    fn isolation(&self) -> Isolation {
        Isolation::Os
    }

    fn default_image(&self) -> &str {
        HOST_IMAGE
    }

    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        let order = self.order(id, &grant)?;
        Ok(self.make(order).await?)
    }
}

fn line(line: mimobox_confine::Enforcement) -> Enforcement {
    Enforcement {
        mechanism: line.mechanism.name().into(),
        status: match line.status {
            Status::Enforced => EnforcementStatus::Enforced,
            Status::Partial => EnforcementStatus::Partial,
            Status::Absent => EnforcementStatus::Absent,
            Status::NotRequested => EnforcementStatus::NotRequested,
        },
        detail: line.detail,
    }
}
