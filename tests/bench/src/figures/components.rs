//! Components: what they cost to start, to ask, and to pass through.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use mimobox_component::{
    Component, Engine, EngineConfig, Grants, Invocation, PolicyGuest, PolicyLimits, RunLimits, Runner, Sink,
    Stdio,
};
use mimobox_harness::component;
use mimobox_sandbox::{Command, Event, Execution, History, Operation, Policy, Spec, Subject};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::{Bench, run};
use crate::race::{Contender, Unit, race};

const MOST_BYTES: u64 = 64 * 1024 * 1024;

fn read(name: &str) -> Result<Component> {
    let file = std::fs::File::open(component(name))?;
    Ok(Component::read(name, file, MOST_BYTES)?)
}

/// The component of the test suites that does as its first argument says.
struct Guest {
    runner: Runner,
}

impl Guest {
    fn load() -> Result<Self> {
        let engine = Engine::new(&EngineConfig::default())?;
        let component = read("test-orchestrator")?;
        Ok(Self { runner: Runner::new(&engine, &component, &Grants::all())? })
    }

    /// Runs it; gives what it printed.
    async fn run(&self, bench: &Bench<'_>, arguments: &[&str]) -> Result<String> {
        let (writer, reader) = duplex(64 * 1024);
        let sink = Sink::new(writer, false);
        let invocation = Invocation {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            stdio: Stdio { stdout: sink.clone(), stderr: sink },
            limits: RunLimits::default(),
        };
        let (code, printed) = tokio::join!(self.runner.run(bench.host.run(), invocation), collect(reader));
        anyhow::ensure!(code? == 0, "the component ended with a code: {}", printed?);
        printed
    }
}

async fn collect(mut reader: DuplexStream) -> Result<String> {
    let mut printed = String::new();
    reader.read_to_string(&mut printed).await?;
    Ok(printed)
}

pub(super) fn instantiate(bench: &Bench<'_>) -> Result<()> {
    let guest = Guest::load()?;
    let whole = || bench.runtime.block_on(guest.run(bench, &["nothing"])).map(|_| ());
    let contenders = vec![
        Contender::new("mimobox: instantiate, call, tear down", whole),
        Contender::new("a process that does nothing (peer)", || run("/usr/bin/true", &[])),
    ];
    race(bench.turns, Unit::Time, contenders)
}

pub(super) fn decision(bench: &Bench<'_>) -> Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let policy = PolicyGuest::new(&engine, &read("allowlist")?, PolicyLimits::default())?;
    let policy: Arc<dyn Policy> = Arc::new(policy);
    let event = Event {
        subject: Subject { component: "bench".into(), ..Subject::default() },
        operation: Operation::Execute(Execution {
            program: "sort".into(),
            arguments: vec![],
            environment: vec![],
            directory: None,
            user: None,
            terminal: false,
        }),
        time: SystemTime::now(),
        history: History::default(),
    };
    let ask = || bench.runtime.block_on(policy.decide(&event)).map(|_| ()).context("no verdict");
    let contenders = vec![
        Contender::new("mimobox: fresh instance, verdict", ask),
        Contender::new("a process that does nothing (peer)", || run("/usr/bin/true", &[])),
    ];
    race(bench.turns, Unit::Time, contenders)
}

/// One call's time is less than that of a run, so a run makes many and says the median itself.
pub(super) fn execute(bench: &Bench<'_>) -> Result<()> {
    const CALLS: usize = 20;
    let guest = Guest::load()?;
    let sandboxes = bench.host.run();
    let sandbox = bench.runtime.block_on(sandboxes.create(Spec::default()))?;
    let through = || {
        let printed = bench.runtime.block_on(guest.run(bench, &["bench-execute", &CALLS.to_string()]))?;
        let times: Vec<u64> = printed.lines().map(str::parse).collect::<Result<_, _>>()?;
        median(times)
    };
    let straight = || {
        let times: Vec<u64> = (0..CALLS)
            .map(|_| {
                let since = std::time::Instant::now();
                bench.runtime.block_on(sandbox.execute(Command::new("/usr/bin/true"), Vec::new()))?;
                Ok(u64::try_from(since.elapsed().as_nanos())?)
            })
            .collect::<Result<_>>()?;
        median(times)
    };
    let contenders = vec![
        Contender::timing_itself("mimobox: through a component", through),
        Contender::timing_itself("mimobox: the library (peer)", straight),
    ];
    race(bench.turns.min(50), Unit::Time, contenders)
}

fn median(mut nanoseconds: Vec<u64>) -> Result<Duration> {
    nanoseconds.sort_unstable();
    nanoseconds.get(nanoseconds.len() / 2).copied().map(Duration::from_nanos).context("nothing was measured")
}

pub(super) fn stdout(bench: &Bench<'_>) -> Result<()> {
    let guest = Guest::load()?;
    let sandboxes = bench.host.run();
    let sandbox = bench.runtime.block_on(sandboxes.create(Spec::default()))?;
    let through = || {
        let bytes = super::streams::BYTES.to_string();
        let printed = bench.runtime.block_on(guest.run(bench, &["bench-stdout", &bytes]))?;
        Ok(Duration::from_nanos(printed.trim().parse()?))
    };
    let contenders = vec![
        Contender::timing_itself("mimobox: through a component", through),
        Contender::new("mimobox: the library (peer)", || {
            bench.runtime.block_on(super::streams::read_from_sandbox(&sandbox))
        }),
    ];
    race(bench.turns.min(super::streams::MOST_TURNS), Unit::Rate(super::streams::BYTES), contenders)
}
