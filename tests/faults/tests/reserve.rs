//! Sandboxes that were made ahead: as confined as any other, used once, replaced when they die, gone with their host.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeSet;

use mimobox_faults::{alone, block_on};
use mimobox_harness::{Leftovers, OsHost, Requirement, met};
use mimobox_sandbox::{Command, Limits, Run, Sandbox, Spec, fake};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const DEPTH: usize = 3;
const MIB: u64 = 1024 * 1024;

/// A host that makes sandboxes ahead; none where the machine lacks what it takes.
fn host() -> Option<OsHost> {
    met(Requirement::Root).then(|| {
        let adjust = |parts: &mut mimobox_sandbox::Parts| parts.ceiling = fake::ceiling();
        OsHost::try_start(|config| config.reserve = DEPTH, adjust).unwrap()
    })
}

/// What waits to be handed out: agents that were not there `before` and are no sandbox's of ours.
fn waiting(before: &Leftovers, in_use: usize) -> BTreeSet<u32> {
    let all = Leftovers::count().processes.difference(&before.processes).copied().collect::<BTreeSet<_>>();
    if all.len() == in_use + DEPTH { all } else { BTreeSet::new() }
}

/// Orders twice what `spec` says and waits until more of it stand ready; gives the agents of those and of the two.
async fn filled(before: &Leftovers, run: &Run, spec: &Spec) -> (Vec<Sandbox>, BTreeSet<u32>) {
    let sandboxes = vec![run.create(spec.clone()).await.unwrap(), run.create(spec.clone()).await.unwrap()];
    loop {
        let agents = waiting(before, sandboxes.len());
        if !agents.is_empty() {
            return (sandboxes, agents);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Whether it runs: one that has ended and waits to be reaped has no memory any more.
fn lives(agent: u32) -> bool {
    std::fs::read(format!("/proc/{agent}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn said(sandbox: &Sandbox, script: &str) -> String {
    let finished = sandbox.execute(Command::new("sh").arguments(["-c", script]), vec![]).await.unwrap();
    String::from_utf8_lossy(&finished.stdout).trim().to_owned()
}

#[test]
fn what_came_once_is_not_made_again() {
    let _alone = alone();
    let Some(host) = host() else { return };
    let create_and_close = async |spec| {
        let run = host.run();
        run.create(spec).await.unwrap().close().await.unwrap();
        run.end().await.unwrap();
    };
    // The first also makes what the host then keeps.
    block_on(create_and_close(Spec::default()));
    let before = Leftovers::count();
    block_on(async {
        let limits = Limits { memory: Some(64 * MIB), ..Limits::default() };
        create_and_close(Spec { limits, ..Spec::default() }).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn one_that_was_made_ahead_is_confined_and_reported_as_any_other() {
    let _alone = alone();
    let Some(host) = host() else { return };
    block_on(async {
        let before = Leftovers::count();
        let limits =
            Limits { memory: Some(64 * MIB), processes: Some(7), disk: Some(8 * MIB), ..Limits::default() };
        let spec = Spec { limits, ..Spec::default() };
        let run = host.run();
        let (ordinary, agents) = filled(&before, &run, &spec).await;
        let ahead = run.create(spec).await.unwrap();
        assert_eq!(ahead.enforcement(), ordinary[0].enforcement());
        // It is none that was made since.
        let now = Leftovers::count().processes;
        assert!(agents.is_subset(&now), "{agents:?} {now:?}");
        let looks = "grep -E '^(Seccomp|NoNewPrivs|CapBnd|CapEff|Uid)' /proc/self/status; ulimit -a; \
                     cat /proc/self/cgroup; df -k /tmp | tail -1 | awk '{print $2}'; ls / /dev /proc/1; hostname";
        assert_eq!(said(&ahead, looks).await, said(&ordinary[0], looks).await);
        let full = said(&ahead, "head -c 20000000 /dev/zero 2>&1 > /tmp/big | grep -o 'No space'").await;
        assert_eq!(full, "No space");
        let crowd = "(for n in 1 2 3 4 5 6 7 8 9; do sleep 100 >/dev/null 2>&1 & done) 2>&1 | grep -ci fork";
        assert_ne!(said(&ahead, crowd).await, "0");
        run.end().await.unwrap();
    });
}

#[test]
fn no_two_are_handed_the_same() {
    let _alone = alone();
    let Some(host) = host() else { return };
    block_on(async {
        let before = Leftovers::count();
        let run = host.run();
        let (mut sandboxes, _) = filled(&before, &run, &Spec::default()).await;
        let more = (0..2 * DEPTH).map(|_| run.create(Spec::default()));
        for made in futures_util::future::join_all(more).await {
            sandboxes.push(made.unwrap());
        }
        for (number, sandbox) in sandboxes.iter().enumerate() {
            assert_eq!(said(sandbox, &format!("ls /tmp; echo {number} > /tmp/mark")).await, "");
        }
        run.end().await.unwrap();
    });
}

#[test]
fn one_that_died_is_not_handed_out_and_is_replaced() {
    let _alone = alone();
    let Some(host) = host() else { return };
    block_on(async {
        let before = Leftovers::count();
        let run = host.run();
        let (sandboxes, agents) = filled(&before, &run, &Spec::default()).await;
        for sandbox in sandboxes {
            sandbox.close().await.unwrap();
        }
        for agent in &agents {
            // The two that were closed are gone already.
            let _ = kill(Pid::from_raw(i32::try_from(*agent).unwrap()), Signal::SIGKILL);
        }
        while agents.iter().any(|agent| lives(*agent)) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let (sandboxes, others) = filled(&before, &run, &Spec::default()).await;
        assert!(agents.is_disjoint(&others), "{agents:?} {others:?}");
        assert_eq!(said(&sandboxes[0], "echo works").await, "works");
        run.end().await.unwrap();
    });
}

#[test]
fn a_host_that_ends_leaves_nothing_of_a_full_reserve() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = host() else { return };
        let run = host.run();
        let inner = Leftovers::count();
        for memory in 32..38 {
            let limits = Limits { memory: Some(memory * MIB), ..Limits::default() };
            let spec = Spec { limits, ..Spec::default() };
            run.create(spec.clone()).await.unwrap().close().await.unwrap();
            run.create(spec).await.unwrap().close().await.unwrap();
        }
        // However many kinds there were, there is a bound.
        while waiting(&inner, 3 * DEPTH).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}
