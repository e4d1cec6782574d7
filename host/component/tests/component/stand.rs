//! What a test runs a component on: an engine for all of them, and a domain with the fake backend for each.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mimobox_component::{
    Component, Engine, EngineConfig, Grants, Invocation, PolicyGuest, PolicyLimits, PrepareError, RunError,
    RunLimits, Runner, Sink, Stdio,
};
use mimobox_sandbox::fake::{self, AuditLog, FakeBackend};
use mimobox_sandbox::{Manager, Parts, Policy, Subject};
use tokio::io::{AsyncReadExt, duplex};

/// More than any component of these tests has.
pub(crate) const MOST_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&EngineConfig::default()).unwrap())
}

pub(crate) fn component(bytes: &[u8]) -> Component {
    Component::read("guest", bytes, MOST_BYTES).unwrap()
}

pub(crate) fn runner(bytes: &[u8]) -> Result<Runner, PrepareError> {
    Runner::new(engine(), &component(bytes), &Grants::all())
}

pub(crate) fn policy(bytes: &[u8], limits: PolicyLimits) -> Result<PolicyGuest, PrepareError> {
    PolicyGuest::new(engine(), &component(bytes), limits)
}

/// A guest of `tests/programs` or of `guest-components`, by the name of its package.
pub(crate) fn built(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("MIMOBOX_COMPONENTS").map_or_else(beside_this_program, PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask guests` builds it", file.display()))
}

/// `<target>/components`, seen from `<target>/release/deps/<this test>`.
fn beside_this_program() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("components")
}

/// The orchestrator that does as its first argument says.
pub(crate) fn orchestrator() -> &'static Runner {
    static RUNNER: OnceLock<Runner> = OnceLock::new();
    RUNNER.get_or_init(|| runner(&built("test-orchestrator")).unwrap())
}

/// A domain of its own.
pub(crate) struct Stand {
    pub(crate) manager: Manager,
    pub(crate) audit: AuditLog,
}

/// How a run ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Result<u8, RunError>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What it printed, when it ended well.
    pub(crate) fn printed(&self) -> &str {
        assert!(matches!(self.code, Ok(0)), "{self:?}");
        &self.stdout
    }

    /// Why there is no exit code.
    pub(crate) fn error(&self) -> &RunError {
        self.code.as_ref().unwrap_err()
    }
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self::with_policies(Vec::new())
    }

    pub(crate) fn with_policies(policies: Vec<Arc<dyn Policy>>) -> Self {
        let audit = AuditLog::default();
        let manager = Manager::new(Parts {
            ceiling: fake::ceiling(),
            policies,
            policy_deadline: Duration::from_secs(60),
            audit: Arc::new(audit.clone()),
            snapshots: None,
            backends: vec![Arc::new(FakeBackend)],
            name: "test".into(),
        });
        Self { manager, audit }
    }

    pub(crate) async fn run(&self, runner: &Runner, arguments: &[&str]) -> Ended {
        self.run_within(runner, arguments, RunLimits::default()).await
    }

    /// Runs the orchestrator that does as its first argument says.
    pub(crate) async fn orchestrate(&self, arguments: &[&str]) -> Ended {
        self.run(orchestrator(), arguments).await
    }

    /// Runs it; afterwards no sandbox is left, whatever happened.
    pub(crate) async fn run_within(&self, runner: &Runner, arguments: &[&str], limits: RunLimits) -> Ended {
        let ((stdout, read_stdout), (stderr, read_stderr)) = (captured(), captured());
        let invocation = invocation(arguments, Stdio { stdout, stderr }, limits);
        let run = self.manager.begin(Subject { component: "guest".into(), ..Subject::default() });
        let (code, stdout, stderr) = tokio::join!(runner.run(run, invocation), read_stdout, read_stderr);
        assert_eq!(self.manager.sandboxes(), 0, "a run left sandboxes behind");
        Ended { code, stdout, stderr }
    }
}

pub(crate) fn invocation(arguments: &[&str], stdio: Stdio, limits: RunLimits) -> Invocation {
    Invocation { arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(), stdio, limits }
}

/// A place for output, and what was written there once it is closed.
fn captured() -> (Sink, impl Future<Output = String>) {
    let (writer, mut reader) = duplex(64 * 1024);
    let read = async move {
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        text
    };
    (Sink::new(writer, false), read)
}
