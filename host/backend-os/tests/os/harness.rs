//! A manager over the OS backend, with no policy and an audit log that forgets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_backend_os::{BackendConfig, ImageRoots, OsBackend, Volume};
use mimobox_sandbox::{
    AuditFailure, AuditSink, Ceiling, Command, Entry, Finished, GrantedLimits, Isolation, Manager, Parts,
    Run, Sandbox, Spec, Subject,
};
use mimobox_snapshots::{FolderStore, StoreLimits};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1024 * 1024;

/// What a test gets where it asks for nothing.
const LIMITS: GrantedLimits = GrantedLimits { memory: 256 * MIB, cpu: 2000, processes: 64, disk: 64 * MIB };

/// Why there can be no sandboxes here, if so. With `CI` or `MIMOBOX_REQUIRE=os` that is a failure: a test that goes quietly
/// green proves nothing.
pub(crate) fn agent() -> Option<OsString> {
    let agent = std::env::var_os("MIMOBOX_AGENT");
    let lacking = match &agent {
        _ if !nix::unistd::geteuid().is_root() => "this user is not root",
        None => "MIMOBOX_AGENT does not name a static agent",
        Some(_) => return agent,
    };
    let required =
        std::env::var("MIMOBOX_REQUIRE").is_ok_and(|needs| needs.split(',').any(|need| need == "os"));
    assert!(!required && std::env::var_os("CI").is_none(), "cannot test the OS backend: {lacking}");
    println!("skipped: {lacking}");
    None
}

/// Runs a test on a backend, or says why not.
pub(crate) fn with_backend<F: Future<Output = ()>>(test: impl FnOnce(Host) -> F) {
    with_volumes(BTreeMap::new(), test);
}

/// As `with_backend`, with volumes.
pub(crate) fn with_volumes<F: Future<Output = ()>>(
    volumes: BTreeMap<String, Volume>,
    test: impl FnOnce(Host) -> F,
) {
    with_config(test, |config| config.volumes = volumes);
}

/// As `with_volumes`, with the image `test` at `root`.
pub(crate) fn with_image<F: Future<Output = ()>>(
    root: &Path,
    volumes: BTreeMap<String, Volume>,
    test: impl FnOnce(Host) -> F,
) {
    let image = one_image(root);
    with_config(test, |config| {
        config.images = Some(image);
        config.volumes = volumes;
    });
}

fn with_config<F: Future<Output = ()>>(
    test: impl FnOnce(Host) -> F,
    configure: impl FnOnce(&mut BackendConfig),
) {
    if agent().is_some() {
        run_test(configure, test);
    }
}

/// Runs a test as whoever this is.
pub(crate) fn run_test<F: Future<Output = ()>>(
    configure: impl FnOnce(&mut BackendConfig),
    test: impl FnOnce(Host) -> F,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut config = config();
    configure(&mut config);
    runtime.block_on(async { test(Host::new(config)).await });
}

/// A backend's configuration with the agent and nothing else.
pub(crate) fn config() -> BackendConfig {
    BackendConfig::new(std::fs::read(std::env::var_os("MIMOBOX_AGENT").unwrap()).unwrap())
}

/// A store with one image, by the name `test`.
pub(crate) fn one_image(root: &Path) -> Arc<dyn ImageRoots> {
    Arc::new(OneImage(root.to_owned()))
}

/// An image by the name `test`.
#[derive(Debug)]
struct OneImage(PathBuf);

impl ImageRoots for OneImage {
    fn open_root(&self, name: &str) -> io::Result<Option<OwnedFd>> {
        (name == "test").then(|| File::open(&self.0).map(OwnedFd::from)).transpose()
    }
}

/// A host with one run.
pub(crate) struct Host {
    pub(crate) run: Run,
    /// Of the snapshots.
    _folder: TempDir,
}

impl Host {
    pub(crate) fn new(config: BackendConfig) -> Self {
        let access = |volume: &Volume| match volume.access {
            mimobox_backend_os::Access::ReadOnly => mimobox_sandbox::Access::ReadOnly,
            mimobox_backend_os::Access::ReadWrite => mimobox_sandbox::Access::ReadWrite,
        };
        let ceiling = Ceiling {
            isolation: vec![Isolation::Os],
            sandboxes: 64,
            sandboxes_per_run: 64,
            commands: 16,
            limits: GrantedLimits { memory: 1024 * MIB, cpu: 4000, processes: 512, disk: 1024 * MIB },
            defaults: LIMITS,
            timeout: Duration::from_secs(60),
            lifetime: Duration::from_secs(600),
            output: 16 * MIB,
            volumes: config.volumes.iter().map(|(name, volume)| (name.clone(), access(volume))).collect(),
        };
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let store = FolderStore::open(dir, StoreLimits::default()).unwrap();
        let backend = OsBackend::new(config).unwrap();
        let manager = Manager::new(Parts {
            ceiling,
            policies: Vec::new(),
            policy_deadline: Duration::from_secs(60),
            audit: Arc::new(Forgetful),
            snapshots: Some(Arc::new(store)),
            backends: vec![Arc::new(backend)],
            name: "test".to_owned(),
        });
        Self { run: manager.begin(Subject::default()), _folder: folder }
    }

    pub(crate) async fn sandbox(&self) -> Sandbox {
        self.run.create(Spec::default()).await.unwrap()
    }
}

/// Runs a shell script to its end.
pub(crate) async fn sh(sandbox: &Sandbox, script: &str) -> Finished {
    sandbox.execute(Command::new("sh").arguments(["-c", script]), Vec::new()).await.unwrap()
}

/// What a shell script that succeeds prints.
pub(crate) async fn said(sandbox: &Sandbox, script: &str) -> String {
    let finished = sh(sandbox, script).await;
    let (stdout, stderr) = (text(&finished.stdout), text(&finished.stderr));
    assert_eq!(finished.status, mimobox_sandbox::ExitStatus::Exited(0), "{script}\n{stdout}\n{stderr}");
    stdout
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

struct Forgetful;

impl AuditSink for Forgetful {
    fn record(&self, _: &Entry<'_>) -> Result<(), AuditFailure> {
        Ok(())
    }
}
