//! What sandboxes are made of: the agent, the filters, this machine's root, and what the operator named.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::thread;

use mimobox_confine::cgroup::{Controller, GroupLimits, Hierarchies, HostGroups, Territory};
use mimobox_confine::launch::Program;
use mimobox_confine::{Filter, compile_filters, compile_volume_filters};
use mimobox_sandbox::SandboxGrant;

use crate::attachments::Attachment;
use crate::config::{BackendConfig, ImageRoots, Volume};
use crate::enclosure::{Order, Ready, Workshop};
use crate::error::{CreateError, NewBackendError};
use crate::host_root::HostRoot;
use crate::janitor::Janitor;
use crate::plan::{self, HOST_IMAGE, Site, Uncontrolled};
use crate::standing::Standing;
use crate::undertaker::Undertaker;

/// Whether a grant asks for something of the host's to be attached.
pub(crate) fn names_attachments(grant: &SandboxGrant) -> bool {
    !grant.mounts.is_empty() || grant.image != HOST_IMAGE
}

/// Does both at once: `other` on a thread of its own, where there is one to be had.
fn beside<A: Send, B>(other: impl Fn() -> A + Sync, own: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, &other);
        let own = own();
        let other = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => other(),
        };
        (other, own)
    })
}

/// All of it. Shared by the backend and the threads that make its sandboxes.
#[derive(Debug)]
pub(crate) struct Supplies {
    workshop: Arc<Workshop>,
    root: HostRoot,
    filters: Vec<Filter>,
    /// Those besides, for a sandbox that writes to a volume; compiled for the first.
    volume_filters: OnceLock<Vec<Filter>>,
    images: Option<Arc<dyn ImageRoots>>,
    volumes: BTreeMap<String, Volume>,
    #[cfg(feature = "weaken")]
    weaken: OnceLock<fn(&mut mimobox_confine::Plan)>,
}

impl Supplies {
    /// Loads the agent, compiles the filters, looks at the machine, and makes this host's cgroups.
    pub(crate) fn gather(config: BackendConfig) -> Result<Self, NewBackendError> {
        let BackendConfig { agent, images, volumes, tolerated, user_base, reserve: _ } = config;
        let standing = Standing::find(user_base)?;
        // A millisecond or so each, and neither needs the other.
        let (loaded, groups) = beside(
            || (Program::load(&agent), compile_filters()),
            || Ok::<_, NewBackendError>(HostGroups::create(&Hierarchies::discover()?, standing.territory())?),
        );
        let (program, filters) = loaded;
        let workshop = Workshop {
            program: program?,
            tolerated,
            groups: groups?,
            standing,
            undertaker: Undertaker::default(),
            janitor: Janitor::default(),
        };
        Ok(Self {
            workshop: Arc::new(workshop),
            root: HostRoot::survey()?,
            filters: filters?,
            volume_filters: OnceLock::new(),
            images,
            volumes,
            #[cfg(feature = "weaken")]
            weaken: OnceLock::new(),
        })
    }

    /// Makes what was ordered. Blocks.
    pub(crate) fn make(&self, order: &Order) -> Result<Ready, CreateError> {
        self.workshop.make(order)
    }

    /// Where it is made.
    pub(crate) fn workshop(&self) -> &Arc<Workshop> {
        &self.workshop
    }

    /// What a grant asks for, ready to be made. Blocks, where it [names](names_attachments) something to attach.
    pub(crate) fn order(&self, name: String, grant: &SandboxGrant) -> Result<Order, CreateError> {
        let Workshop { standing, groups, .. } = self.workshop.as_ref();
        let volumes = grant.mounts.iter().map(|mount| {
            let name = &mount.volume;
            let volume = self.volumes.get(name).ok_or_else(|| CreateError::Volume(name.clone()))?;
            Attachment::volume(name, volume, mount.read_only, standing)
        });
        let image = (grant.image != HOST_IMAGE).then(|| self.image(&grant.image));
        let attachments = volumes.chain(image).collect::<Result<Vec<_>, _>>()?;
        let sources = (0..)
            .zip(&attachments)
            .filter_map(|(place, attachment)| Some((place, attachment.source()?.clone())));
        let uncontrolled = match standing.territory() {
            Territory::Machine => Uncontrolled::default(),
            Territory::Delegated => Uncontrolled {
                memory: !groups.controls(Controller::Memory),
                processes: !groups.controls(Controller::Processes),
            },
        };
        let site = Site {
            root: &self.root,
            filters: self.filters(grant)?,
            sources: sources.collect(),
            alone: standing.is_alone(),
            uncontrolled,
        };
        let plan = plan::write(grant, site)?;
        #[cfg(feature = "weaken")]
        let plan = self.weakened(plan);
        let limits = GroupLimits {
            memory: grant.limits.memory,
            processes: grant.limits.processes,
            cpu: grant.limits.cpu,
        };
        Ok(Order { name, limits, plan, attachments })
    }

    /// Has `change` at every plan from now on. Only the first counts.
    #[cfg(feature = "weaken")]
    pub(crate) fn weaken(&self, change: fn(&mut mimobox_confine::Plan)) {
        let _ = self.weaken.set(change);
    }

    #[cfg(feature = "weaken")]
    fn weakened(&self, mut plan: mimobox_confine::Plan) -> mimobox_confine::Plan {
        if let Some(change) = self.weaken.get() {
            change(&mut plan);
        }
        plan
    }

    fn filters(&self, grant: &SandboxGrant) -> Result<Vec<Filter>, CreateError> {
        let mut filters = self.filters.clone();
        if grant.mounts.iter().any(|mount| !mount.read_only) {
            if self.volume_filters.get().is_none() {
                let compiled = compile_volume_filters().map_err(CreateError::Filters)?;
                // Another thread's are the same.
                let _ = self.volume_filters.set(compiled);
            }
            filters.extend(self.volume_filters.get().into_iter().flatten().cloned());
        }
        Ok(filters)
    }

    fn image(&self, name: &str) -> Result<Attachment, CreateError> {
        let opened = match &self.images {
            Some(images) => images.open_root(name),
            None => Ok(None),
        };
        let root = opened.map_err(|source| CreateError::OpenImage(name.to_owned(), source))?;
        let root = root.ok_or_else(|| CreateError::Image(name.to_owned()))?;
        Attachment::image(name, &root, &self.workshop.standing)
    }
}
