//! Nothing is left behind: not after many sandboxes, not after many at once, not after the host was killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts the host as its users do")]

use std::io::{BufRead, BufReader};
use std::process::{Command as Program, Stdio};
use std::sync::Arc;

use mimobox_faults::{alone, block_on};
use mimobox_harness::{Leftovers, OsHost, Requirement, met, program};
use mimobox_sandbox::{Ceiling, Command, ExitStatus, Run, Sandbox, Spec, fake};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

async fn make_and_use(run: &Run) -> Sandbox {
    let sandbox = run.create(Spec::default()).await.unwrap();
    let finished = sandbox.execute(Command::new("true"), vec![]).await.unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(0));
    sandbox
}

#[test]
fn two_hundred_sandboxes_one_after_another_leave_nothing() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        for _ in 0..200 {
            make_and_use(&run).await.close().await.unwrap();
        }
        assert_eq!(host.manager().sandboxes(), 0);
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn thirty_two_sandboxes_at_once_leave_nothing() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let ceiling = Ceiling { sandboxes_per_run: 32, ..fake::ceiling() };
        let Some(host) = OsHost::with(ceiling, Vec::new()) else { return };
        let run = Arc::new(host.run());
        let made: Vec<_> = (0..32)
            .map(|_| {
                let run = run.clone();
                tokio::spawn(async move { make_and_use(&run).await })
            })
            .collect();
        for sandbox in made {
            // A process that nobody waits for must go too.
            sandbox.await.unwrap().spawn(Command::new("sleep").arguments(["3600"]), false).await.unwrap();
        }
        assert_eq!(host.manager().sandboxes(), 32);
        Arc::into_inner(run).unwrap().end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn dropping_everything_at_once_leaves_nothing() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        for _ in 0..4 {
            let sandbox = make_and_use(&run).await;
            sandbox.spawn(Command::new("sleep").arguments(["3600"]), false).await.unwrap();
        }
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_killed_host_leaves_nothing_within_a_second() {
    let _alone = alone();
    if !met(Requirement::Root) {
        return;
    }
    let before = Leftovers::count();
    // Leaves its group and its session, ignores what it can, and has children that do too.
    let script = "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP INT; sleep 3600 & sleep 3600' & echo started; sleep 3600";
    let mut host = Program::new(program("mimobox-host"))
        .args(["exec", "--", "sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    kill(Pid::from_raw(i32::try_from(host.id()).unwrap()), Signal::SIGKILL).unwrap();
    host.wait().unwrap();
    Leftovers::assert_nothing_since(&before);
}
