//! Makes microVMs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use mimobox_agent_client::{Client, ENTROPY, MachineRoot, MachineVolume, Options, SetUp, Streams};
use mimobox_confine::cgroup::{Hierarchies, HostGroups, Territory};
use mimobox_confine::launch::Program;
use mimobox_sandbox::{
    Authorized, Backend, Created, Enforcement, Isolation, Output, Result, SandboxGrant, SandboxId,
};
use mimobox_vmm_protocol::{Event, Mechanism as JailMechanism, Probe, Request, Start};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::boot;
use crate::config::{ImageDisks, KvmConfig};
use crate::enforcement::report;
use crate::error::{CreateError, NewBackendError};
use crate::instance::KvmInstance;
use crate::shape::Shape;
use crate::standing::{open_kvm, probe_with};
use crate::template::{Cache, Key, Template, TemplateError, origin};
use crate::vmm::{Configured, Parts, Vmm, Workshop};
use crate::volumes::disk_of;

/// The image that is there without anybody importing it: busybox.
pub const BASE_IMAGE: &str = "base";

/// The guest's own name for itself.
const HOST_NAME: &str = "sandbox";
/// The machine's agent answers in microseconds on ordinary machines, and in seconds where guest kernels are emulated.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes sandboxes of isolation `micro-vm`.
#[derive(Debug)]
pub struct KvmBackend {
    workshop: Arc<Workshop>,
    kernel: File,
    base_image: File,
    origin: [u8; 32],
    cache: Arc<Cache>,
    images: Option<Arc<dyn ImageDisks>>,
    volumes: Arc<BTreeMap<String, OwnedFd>>,
    tolerated_jail: Vec<JailMechanism>,
    probe: OnceCell<Probe>,
    templates: Mutex<HashMap<Shape, Arc<OnceCell<Arc<Template>>>>>,
    booted: AtomicU64,
}

impl KvmBackend {
    /// Opens `/dev/kvm` and the cache, reads what machines are made of, and makes this host's cgroups. What takes a machine
    /// that runs is done with the first sandbox. Blocks for some milliseconds.
    ///
    /// # Errors
    /// Each variant of [`NewBackendError`] is a step.
    pub fn new(config: KvmConfig) -> Result<Self, NewBackendError> {
        let KvmConfig { vmm, kernel, base_image, cache, images, volumes, tolerated, tolerated_jail } = config;
        let kvm = open_kvm()?;
        let read = |source| NewBackendError::Read { what: "the guest's kernel and base image", source };
        let territory = match rustix::process::geteuid().is_root() {
            true => Territory::Machine,
            false => Territory::Delegated,
        };
        let workshop = Workshop {
            program: Program::load(&vmm)?,
            groups: HostGroups::create(&Hierarchies::discover()?, territory)?,
            tolerated,
            kvm,
        };
        let opened = Cache::open(cache.clone());
        Ok(Self {
            workshop: Arc::new(workshop),
            origin: origin(&kernel, &base_image, &vmm).map_err(read)?,
            kernel,
            base_image,
            cache: Arc::new(opened.map_err(|source| NewBackendError::Cache { path: cache, source })?),
            images,
            volumes: Arc::new(volumes),
            tolerated_jail,
            probe: OnceCell::new(),
            templates: Mutex::default(),
            booted: AtomicU64::new(0),
        })
    }

    async fn make(
        &self,
        id: &SandboxId,
        grant: SandboxGrant,
    ) -> Result<(KvmInstance, Vec<Enforcement>), CreateError> {
        let probe = self.probe().await?;
        let attached = usize::from(grant.image != BASE_IMAGE) + grant.mounts.len();
        let shape = Shape::of(&grant.limits, attached, probe)?;
        let disks = self.disks(&grant).await?;
        let set_up = set_up(&grant, &shape)?;
        let template = self.template(&shape).await?;
        let (memory, start) = template.parts().map_err(TemplateError::Open)?;
        let limits = boot::limits(&shape, grant.limits.cpu);
        let config = boot::config(&shape, Start::Restore, &self.tolerated_jail);
        let parts = Parts { memory, start, disks };
        let Configured { vmm, agent, jail, limits } =
            Vmm::start(&self.workshop, id.to_string(), limits, config, parts).await?;
        vmm.ask(Request::Run, &Event::Running).await?;
        let options = Options { answer_timeout: ANSWER_TIMEOUT, streams: Streams::Relayed };
        let client = Client::connect_machine(agent, &set_up, options).await;
        let client = client.map_err(|source| CreateError::Connect { said: vmm.log.tail(), source })?;
        let lines = report(&grant, &shape, probe, limits, jail);
        Ok((KvmInstance::new(vmm, client, probe.template), lines))
    }

    async fn probe(&self) -> Result<&Probe, CreateError> {
        let find = || probe_with(&self.workshop.program, self.workshop.kvm.as_fd());
        Ok(self.probe.get_or_try_init(find).await?)
    }

    /// The template of this shape, booted now if it was never before. Whoever wants the same meanwhile waits.
    async fn template(&self, shape: &Shape) -> Result<Arc<Template>, CreateError> {
        let cell = Arc::clone(self.templates.lock().entry(*shape).or_default());
        let template = cell.get_or_try_init(async || self.find_or_boot(shape).await.map(Arc::new)).await?;
        Ok(Arc::clone(template))
    }

    async fn find_or_boot(&self, shape: &Shape) -> Result<Template, TemplateError> {
        let key = Key::new(&self.origin, shape);
        let (cache, wanted) = (Arc::clone(&self.cache), *shape);
        let begin = move || match cache.find(&key, &wanted)? {
            Some(template) => Ok(Ok(template)),
            None => cache.begin(&key, &wanted),
        };
        let begun = tokio::task::spawn_blocking(begin).await.map_err(|_| TemplateError::ShuttingDown)?;
        match begun? {
            Ok(template) => Ok(template),
            Err(making) => {
                let kernel = self.kernel.try_clone().map_err(TemplateError::Make)?;
                let base_image = self.base_image.try_clone().map_err(TemplateError::Make)?;
                let name = format!("template-{}", self.booted.fetch_add(1, Ordering::Relaxed));
                boot::make(&self.workshop, shape, &self.tolerated_jail, kernel, base_image, making, name)
                    .await
            }
        }
    }

    /// The files of all disks, in order.
    async fn disks(&self, grant: &SandboxGrant) -> Result<Vec<File>, CreateError> {
        let base = self.base_image.try_clone().map_err(TemplateError::Open)?;
        if grant.image == BASE_IMAGE && grant.mounts.is_empty() {
            return Ok(vec![base]);
        }
        let (images, volumes) = (self.images.clone(), Arc::clone(&self.volumes));
        let (image, mounts) = (grant.image.clone(), grant.mounts.clone());
        let cache = Arc::clone(&self.cache);
        let open = move || {
            let mut disks = vec![base];
            if image != BASE_IMAGE {
                let opened = images.map_or(Ok(None), |images| images.open_disk(&image));
                let opened = opened.map_err(|source| CreateError::OpenImage(image.clone(), source))?;
                disks.push(opened.ok_or(CreateError::Image(image))?);
            }
            for mount in mounts {
                let directory =
                    volumes.get(&mount.volume).ok_or_else(|| CreateError::Volume(mount.volume.clone()))?;
                if !mount.read_only {
                    return Err(CreateError::WritableVolume(mount.volume));
                }
                disks.push(disk_of(&mount.volume, directory.as_fd(), cache.folder())?);
            }
            Ok(disks)
        };
        tokio::task::spawn_blocking(open).await.map_err(|_| CreateError::ShuttingDown)?
    }
}

#[async_trait]
impl Backend for KvmBackend {
    fn isolation(&self) -> Isolation {
        Isolation::MicroVm
    }

    fn default_image(&self) -> &str {
        BASE_IMAGE
    }

    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        let (instance, enforcement) = self.make(id, grant.into_inner()).await?;
        Ok(Created { instance: Arc::new(instance), enforcement })
    }

    async fn restore(
        &self,
        id: &SandboxId,
        grant: Authorized<SandboxGrant>,
        state: Output,
    ) -> Result<Created> {
        // Dropped where that fails, and all of it is undone.
        let (instance, enforcement) = self.make(id, grant.into_inner()).await?;
        instance.restore(state).await?;
        Ok(Created { instance: Arc::new(instance), enforcement })
    }
}

/// What one machine is told in which it differs from the next of its template.
fn set_up(grant: &SandboxGrant, shape: &Shape) -> Result<SetUp, CreateError> {
    let mut entropy = [0; ENTROPY];
    rustix::rand::getrandom(&mut entropy, rustix::rand::GetRandomFlags::empty())
        .map_err(CreateError::Entropy)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let own_image = grant.image != BASE_IMAGE;
    // After the base image's.
    let first = if own_image { 2 } else { 1 };
    let volumes = (first..).zip(&grant.mounts);
    Ok(SetUp {
        clock_seconds: now.as_secs(),
        clock_nanoseconds: now.subsec_nanos(),
        entropy,
        host_name: HOST_NAME.to_owned(),
        root: if own_image { MachineRoot::Disk(1) } else { MachineRoot::Base },
        writable: shape.writable(&grant.limits),
        volumes: volumes.map(|(disk, mount)| MachineVolume { disk, path: mount.target.clone() }).collect(),
        processes: grant.limits.processes,
    })
}
