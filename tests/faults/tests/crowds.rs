//! A thousand sandboxes at once, and thousands one after another: flat in memory, descriptors and what the kernel holds.
//!
//! A tenth of that by default; all of it with `MIMOBOX_TEST_CROWD=1000`. It prints its figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::print_stdout, reason = "its figures are for people")]

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream;
use mimobox_faults::{alone, block_on};
use mimobox_harness::{Leftovers, OsHost, Requirement, met};
use mimobox_sandbox::{AuditFailure, AuditSink, Ceiling, Command, Entry, ExitStatus, Run, Spec, fake};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many sandboxes are a crowd.
const CROWD: &str = "MIMOBOX_TEST_CROWD";
/// Made at the same time.
const AT_ONCE: usize = 8;
/// What the allocator may keep between two measurements, in KiB: some pages of each of its arenas, and not a sandbox more.
const SLACK: u64 = 2048;

fn crowd() -> usize {
    std::env::var(CROWD).map_or(100, |crowd| crowd.parse().unwrap())
}

/// Keeps nothing: the log of other tests is in memory, and would be what grows.
struct Forgetful;

impl AuditSink for Forgetful {
    fn record(&self, _entry: &Entry<'_>) -> Result<(), AuditFailure> {
        Ok(())
    }
}

fn host() -> Option<OsHost> {
    if !met(Requirement::Root) {
        return None;
    }
    // Each sandbox takes the host some descriptors.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let crowd = u32::try_from(crowd()).unwrap();
    let started = OsHost::try_start(
        |_| {},
        |parts| {
            parts.audit = Arc::new(Forgetful);
            parts.ceiling = Ceiling { sandboxes: crowd, sandboxes_per_run: crowd, ..fake::ceiling() };
        },
    );
    Some(started.unwrap())
}

/// KiB of a process's memory, by the name of its line: proc_pid_smaps_rollup(5).
fn memory(process: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn own_memory() -> u64 {
    memory(std::process::id(), "Anonymous:").unwrap()
}

#[test]
fn a_crowd_is_there_at_once_and_each_of_it_works() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = host() else { return };
        let run = Arc::new(host.run());
        let without = (own_memory(), Leftovers::count());
        let begin = Instant::now();
        let made = stream::iter(0..crowd()).map(|_| run.create(Spec::default())).buffer_unordered(AT_ONCE);
        let sandboxes: Vec<_> = made.map(Result::unwrap).collect().await;
        let made = begin.elapsed();

        let with = (own_memory(), Leftovers::count());
        let agents = with.1.processes.difference(&without.1.processes);
        let shares: Vec<_> = agents.filter_map(|agent| memory(*agent, "Pss:")).collect();
        assert!(shares.len() >= crowd(), "{} agents", shares.len());
        let count = u64::try_from(crowd()).unwrap();
        println!(
            "{count} idle sandboxes, made in {made:?}: {} KiB of the host's each, {} KiB PSS of the agent's each, {} \
             descriptors each, {} cgroups each",
            with.0.saturating_sub(without.0) / count,
            shares.iter().sum::<u64>() / count,
            (with.1.descriptors.len() - without.1.descriptors.len()) / crowd(),
            (with.1.cgroups.len() - without.1.cgroups.len()) / crowd(),
        );
        for sandbox in &sandboxes {
            let end = sandbox.execute(Command::new("true"), vec![]).await.unwrap();
            assert_eq!(end.status, ExitStatus::Exited(0));
        }
        let begin = Instant::now();
        Arc::into_inner(run).unwrap().end().await.unwrap();
        println!("all gone in {:?}", begin.elapsed());
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn twice_a_crowd_one_after_another_takes_no_more_than_the_first() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = host() else { return };
        let run = host.run();
        // What the first hundred needs stays for all.
        pass_through(&run, 100).await;
        let (memory, idle) = (own_memory(), Leftovers::count());
        let begin = Instant::now();
        pass_through(&run, 2 * crowd()).await;
        println!("{} sandboxes one after another in {:?}", 2 * crowd(), begin.elapsed());
        Leftovers::assert_nothing_since(&idle);
        let grown = own_memory().saturating_sub(memory);
        println!("the host grew from {memory} KiB by {grown} KiB");
        assert!(grown < SLACK, "from {memory} KiB by {grown} KiB");
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}

async fn pass_through(run: &Run, count: usize) {
    for _ in 0..count {
        run.create(Spec::default()).await.unwrap().close().await.unwrap();
    }
}
