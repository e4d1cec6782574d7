//! Runs a component that drives sandboxes: one of world `orchestrator`, or a plain program.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mimobox_sandbox::Run;
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime_wasi::{I32Exit, p2, p3};

use crate::answer::Tasks;
use crate::bindings::host::OrchestratorPre;
use crate::component::Component;
use crate::ctx::Ctx;
use crate::deadline::{self, TimeIsUp};
use crate::engine::Engine;
use crate::escaped::Escaped;
use crate::grants::Grants;
use crate::host;
use crate::prepare::{self, PrepareError};
use crate::request::{Purpose, Request};
use crate::stdio::Stdio;

/// Bytes that a component may hand the host in one call. Above what `execute` takes, so that it can say so itself.
const CALL_BYTES: usize = 32 * 1024 * 1024;

/// A future takes this many entries in wasmtime's own table: its two ends, and what they share.
const ENTRIES_OF_A_FUTURE: usize = 4;

/// Operations that a run has begun may take this long to end after it. Backends keep deadlines of their own, far shorter.
const GRACE: Duration = Duration::from_secs(30);

/// Longest reason that a component can give; the rest is cut.
const LONGEST_REASON: usize = 4096;

/// A component that can be run, any number of times, also at once. Each run is a fresh instance.
#[derive(Clone)]
pub struct Runner {
    engine: Engine,
    name: Arc<str>,
    request: Arc<Request>,
    entry: Entry,
}

#[derive(Clone)]
enum Entry {
    Orchestrator(OrchestratorPre<Ctx>),
    Command(p2::bindings::CommandPre<Ctx>),
    AsyncCommand(p3::bindings::CommandPre<Ctx>),
}

/// How a component is run.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What `run` gets; for a plain program, what follows its name.
    pub arguments: Vec<String>,
    /// Where its output goes.
    pub stdio: Stdio,
    /// What it may use.
    pub limits: RunLimits,
}

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    /// Bytes of all its linear memories and tables together.
    pub memory: u64,
    /// From the start until it has ended and all of its output is written.
    pub time: Duration,
    /// Sandboxes, processes, streams and futures that it has at once.
    pub handles: usize,
}

impl Default for RunLimits {
    /// 512 MiB, an hour, 10,000 handles.
    fn default() -> Self {
        Self { memory: 512 * 1024 * 1024, time: Duration::from_secs(60 * 60), handles: 10_000 }
    }
}

/// Why a run has no exit code.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its time was up.
    #[error("timed out after {} s", .after.as_secs_f64())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// It asked for more memory than its limit and did not get over it.
    #[error("it ran out of its {most} bytes of memory: {trap}")]
    OutOfMemory {
        /// The limit.
        most: u64,
        /// How it ended.
        trap: Trap,
    },
    /// It broke the rules of WebAssembly or of an interface.
    #[error("it trapped: {0}")]
    Trapped(Trap),
    /// It says itself that it failed, and why.
    #[error("it failed: {0}")]
    GaveUp(String),
    /// It ended; something of its sandboxes may be left.
    #[error("it ended, but its sandboxes could not all be destroyed: {0}")]
    Leftovers(mimobox_sandbox::Error),
    /// It ended; operations that it had begun did not, and its sandboxes are being destroyed in the background.
    #[error("it ended, but operations that it had begun are still under way")]
    StillUnderWay,
}

/// What stopped a component.
pub struct Trap(wasmtime::Error);

impl Trap {
    /// The component's own call stack, for its author. Several lines; names are the component's choice and are escaped.
    pub fn trace(&self) -> String {
        let trace = format!("{:?}", self.0);
        let lines = trace.lines().take(64).map(|line| Escaped { text: line, most: 256 }.to_string());
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped { text: &self.0.root_cause().to_string(), most: 512 })
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trap").field(&self.to_string()).finish()
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Runner {
    /// Compiles `component` (or finds it in the cache) and checks its imports, by name, against what this host has and
    /// what the operator granted. Takes seconds for one that brings a language's engine along: not on a thread that
    /// serves others.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn new(engine: &Engine, component: &Component, grants: &Grants) -> Result<Self, PrepareError> {
        let compiled = prepare::compile(engine.orchestrators(), component)?;
        let request = Request::read(&compiled);
        grants.check(request.import_names())?;
        let (purpose, export) = request.entry().ok_or(PrepareError::NothingToRun)?;
        let linked = || host::linker(engine.orchestrators())?.instantiate_pre(&compiled);
        let checked = || prepare::check_type::<(), (Result<(), ()>,)>(&compiled, export, "run");
        let entry = match purpose {
            Purpose::Orchestrator => linked().and_then(OrchestratorPre::new).map(Entry::Orchestrator),
            Purpose::Command => {
                checked().and_then(|()| linked()).and_then(p2::bindings::CommandPre::new).map(Entry::Command)
            }
            Purpose::AsyncCommand => checked()
                .and_then(|()| linked())
                .and_then(p3::bindings::CommandPre::new)
                .map(Entry::AsyncCommand),
            Purpose::Policy => return Err(PrepareError::NothingToRun),
        };
        let entry = entry.map_err(PrepareError::wrong_type)?;
        Ok(Self { engine: engine.clone(), name: component.shared_name(), request: Arc::new(request), entry })
    }

    /// What it asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Runs it to its end on behalf of `run`, and gives its exit code. Whatever happened, all sandboxes that it made are
    /// destroyed before this returns. Dropping the future stops the component; its sandboxes are then destroyed in the
    /// background.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run(&self, run: Run, invocation: Invocation) -> Result<u8, RunError> {
        let (run, tasks) = (Arc::new(run), Tasks::new());
        let time = invocation.limits.time;
        let guest = self.drive(run.clone(), tasks.clone(), invocation);
        let ended = timeout(time, guest).await.unwrap_or(Err(RunError::TimedOut { after: time }));
        // The instance is gone, and with it all that waited for an answer.
        let run = match timeout(GRACE, tasks.ended()).await {
            Ok(()) => Arc::into_inner(run),
            Err(_) => None,
        };
        let Some(run) = run else { return ended.and(Err(RunError::StillUnderWay)) };
        let destroyed = run.end().await.map_err(RunError::Leftovers);
        let code = ended?;
        destroyed.map(|()| code)
    }

    async fn drive(&self, run: Arc<Run>, tasks: Tasks, invocation: Invocation) -> Result<u8, RunError> {
        let Invocation { arguments, stdio, limits } = invocation;
        let _place = self.engine.run_permit().await;
        let ctx = Ctx::new(self.name.clone(), run, tasks, &arguments, &stdio, limits.memory, limits.handles);
        let mut store = Store::new(self.engine.orchestrators(), ctx);
        store.limiter(|ctx| &mut ctx.limiter);
        store.set_hostcall_fuel(CALL_BYTES);
        store.set_max_component_handles(limits.handles);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(limits.handles.saturating_mul(ENTRIES_OF_A_FUTURE));
        }
        deadline::enforce(&mut store, limits.time);
        let stay = store.data().presence.stay();
        let called = self.entry.call(&mut store, arguments).await;
        drop(stay);
        let exhausted = store.data().limiter.exhausted();
        drop(store);
        stdio.stdout.drained().await;
        stdio.stderr.drained().await;
        match called {
            Ok(Ok(code)) => Ok(code),
            Ok(Err(reason)) => {
                Err(RunError::GaveUp(Escaped { text: &reason, most: LONGEST_REASON }.to_string()))
            }
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(&I32Exit(code)) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
                None if error.is::<TimeIsUp>() => Err(RunError::TimedOut { after: limits.time }),
                None if exhausted => Err(RunError::OutOfMemory { most: limits.memory, trap: Trap(error) }),
                None => Err(RunError::Trapped(Trap(error))),
            },
        }
    }
}

impl Entry {
    /// A fresh instance, called once. Gives the exit code, or the component's own reason for having none.
    async fn call(
        &self,
        store: &mut Store<Ctx>,
        arguments: Vec<String>,
    ) -> wasmtime::Result<Result<u8, String>> {
        match self {
            Self::Orchestrator(pre) => {
                let orchestrator = pre.instantiate_async(&mut *store).await?;
                store.run_concurrent(async |access| orchestrator.call_run(access, arguments).await).await?
            }
            Self::Command(pre) => {
                let command = pre.instantiate_async(&mut *store).await?;
                command.wasi_cli_run().call_run(store).await.map(exit_code)
            }
            Self::AsyncCommand(pre) => {
                let command = pre.instantiate_async(&mut *store).await?;
                store
                    .run_concurrent(async |access| {
                        command.wasi_cli_run().call_run(access).await.map(exit_code)
                    })
                    .await?
            }
        }
    }
}

/// A program that says no more than that it failed exits with 1, as `wasi:cli/exit` has it.
#[expect(clippy::unnecessary_wraps, reason = "the other kind of component can give a reason")]
fn exit_code(ended: Result<(), ()>) -> Result<u8, String> {
    Ok(u8::from(ended.is_err()))
}
