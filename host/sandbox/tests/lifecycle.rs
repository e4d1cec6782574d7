//! What a sandbox does in each state of its life.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::time::Duration;

use futures_util::FutureExt;
use mimobox_sandbox::{Command, Error, ExitStatus, Run, Sandbox, Spec, State, fake};
use support::Host;
use tokio::io::AsyncReadExt;

async fn sandbox(host: &Host) -> (Run, Sandbox) {
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    (run, sandbox)
}

fn sleep() -> Command {
    Command::new("sleep").arguments(["3600"])
}

#[tokio::test]
async fn execute_after_close_is_refused() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    sandbox.close().await.unwrap();
    assert_eq!(sandbox.execute(Command::new("true"), vec![]).await, Err(Error::Gone));
    assert_eq!(sandbox.usage().await, Err(Error::Gone));
    assert_eq!(sandbox.pause().await, Err(Error::Gone));
    assert_eq!(sandbox.close().await, Ok(()));
}

#[tokio::test]
async fn closing_ends_what_runs() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let process = sandbox.spawn(sleep(), false).await.unwrap();
    sandbox.close().await.unwrap();
    assert_eq!(process.wait().await, Err(Error::Gone));
    assert_eq!(host.manager.sandboxes(), 0);
}

#[tokio::test]
async fn the_end_of_a_run_destroys_all_that_it_made() {
    let host = Host::with(vec![]);
    let (run, first) = sandbox(&host).await;
    let second = run.create(Spec::default()).await.unwrap();
    assert_eq!(host.manager.sandboxes(), 2);
    run.end().await.unwrap();
    assert_eq!((first.state(), second.state()), (State::Closed, State::Closed));
    assert_eq!(host.manager.sandboxes(), 0);
}

#[tokio::test]
async fn a_dropped_run_destroys_all_that_it_made() {
    let host = Host::with(vec![]);
    let (run, sandbox) = sandbox(&host).await;
    let process = sandbox.spawn(sleep(), false).await.unwrap();
    drop(run);
    assert_eq!(process.wait().await, Err(Error::Gone));
}

#[tokio::test]
async fn a_paused_sandbox_takes_no_command_and_goes_on_afterwards() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    sandbox.pause().await.unwrap();
    sandbox.pause().await.unwrap();
    assert!(matches!(sandbox.spawn(sleep(), false).await, Err(Error::InvalidArgument(_))));
    assert!(sandbox.usage().await.is_ok());
    sandbox.resume().await.unwrap();
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_fires_in_a_paused_sandbox_too() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let command = Command { timeout: Some(Duration::from_millis(100)), ..sleep() };
    let process = sandbox.spawn(command, false).await.unwrap();
    sandbox.pause().await.unwrap();
    assert_eq!(process.wait().await, Ok(ExitStatus::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_ends_a_sandbox_whatever_runs() {
    let host = Host::with(vec![]);
    let run = host.run();
    let sandbox =
        run.create(Spec { lifetime: Some(Duration::from_millis(100)), ..Spec::default() }).await.unwrap();
    let process = sandbox.spawn(sleep(), false).await.unwrap();
    assert_eq!(process.wait().await, Err(Error::Gone));
    assert!(host.audit.entries().iter().any(|entry| entry.contains("Expired")));
}

#[tokio::test]
async fn a_failed_start_poisons_and_kills_what_runs() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let process = sandbox.spawn(sleep(), false).await.unwrap();
    host.backend.fail_spawns();
    assert!(matches!(sandbox.spawn(sleep(), false).await, Err(Error::Failed(_))));
    assert_eq!(process.wait().await, Err(Error::Gone));
    assert_eq!(sandbox.execute(Command::new("true"), vec![]).await, Err(Error::Poisoned));
    assert_eq!(sandbox.usage().await, Err(Error::Poisoned));
    assert_eq!(sandbox.resume().await, Err(Error::Poisoned));
    assert_eq!(sandbox.close().await, Ok(()));
    assert_eq!(sandbox.execute(Command::new("true"), vec![]).await, Err(Error::Gone));
}

#[tokio::test]
async fn quotas_count_sandboxes_until_nothing_of_them_is_left() {
    let host = Host::with(vec![]);
    let run = host.run();
    let mut made = Vec::new();
    for _ in 0..fake::ceiling().sandboxes_per_run {
        made.push(run.create(Spec::default()).await.unwrap());
    }
    assert_eq!(
        run.create(Spec::default()).await.unwrap_err(),
        Error::LimitReached("sandboxes of one run".into())
    );
    made.pop().unwrap().close().await.unwrap();
    assert!(run.create(Spec::default()).await.is_ok());
    let other = host.run();
    let left = fake::ceiling().sandboxes - fake::ceiling().sandboxes_per_run;
    for _ in 0..left {
        other.create(Spec::default()).await.unwrap();
    }
    assert_eq!(
        other.create(Spec::default()).await.unwrap_err(),
        Error::LimitReached("sandboxes of this host".into())
    );
}

#[tokio::test]
async fn commands_at_once_are_limited() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let mut running = Vec::new();
    for _ in 0..fake::ceiling().commands {
        running.push(sandbox.spawn(sleep(), false).await.unwrap());
    }
    assert!(matches!(sandbox.spawn(sleep(), false).await, Err(Error::LimitReached(_))));
    running.pop().unwrap().abandon();
    while sandbox.processes().unwrap().len() == running.len() + 1 {
        tokio::task::yield_now().await;
    }
    assert!(sandbox.spawn(sleep(), false).await.is_ok());
}

#[tokio::test]
async fn a_detached_process_keeps_its_output_for_who_attaches() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let process = sandbox.spawn(Command::new("echo").arguments(["kept"]), false).await.unwrap();
    let id = sandbox.detach(&process);
    process.abandon();
    process.wait().await.unwrap();
    drop(process);
    let again = sandbox.attach(id).unwrap();
    let mut text = String::new();
    again.take_stdout().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "kept\n");
    assert_eq!(again.wait().await, Ok(ExitStatus::Exited(0)));
    assert!(matches!(sandbox.attach(id), Err(Error::NotFound)));
}

#[tokio::test]
async fn a_process_that_has_ended_can_still_be_detached() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let mut ended = Vec::new();
    for _ in 0..=fake::ceiling().commands {
        let process = sandbox.spawn(Command::new("echo").arguments(["kept"]), false).await.unwrap();
        process.wait().await.unwrap();
        // The sandbox forgets it.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        ended.push(process);
    }
    let ids: Vec<u32> = ended.iter().map(|process| sandbox.detach(process)).collect();
    // There is room for as many as may run; the last came too late.
    assert!(matches!(sandbox.attach(*ids.last().unwrap()), Err(Error::NotFound)));
    let mut text = String::new();
    sandbox.attach(ids[0]).unwrap().take_stdout().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "kept\n");
}

#[tokio::test]
async fn a_detached_process_that_floods_waits_and_loses_nothing() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let process = sandbox.spawn(Command::new("yes"), false).await.unwrap();
    let id = sandbox.detach(&process);
    let again = sandbox.attach(id).unwrap();
    assert!(matches!(sandbox.attach(id), Err(Error::AlreadyExists)));
    let mut stdout = again.take_stdout().unwrap();
    // Past the operator's limit: what was kept and what comes after it are one unbroken stream.
    let mut bytes = vec![0; usize::try_from(fake::ceiling().output).unwrap() + 100_000];
    stdout.read_exact(&mut bytes).await.unwrap();
    assert!(bytes.chunks(2).all(|pair| pair == b"y\n"));
    again.abandon();
}

#[tokio::test]
async fn output_past_the_limit_of_execute_ends_the_process() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let error = sandbox.execute(Command::new("yes"), vec![]).await.unwrap_err();
    assert_eq!(error, Error::LimitReached("output".into()));
    assert!(sandbox.processes().unwrap().is_empty());
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_is_not_cut_short_and_its_process_is_killed() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    assert!(sandbox.spawn(sleep(), false).now_or_never().is_none());
    while !host.audit.entries().last().unwrap().contains("Signaled(9)") {
        tokio::task::yield_now().await;
    }
    assert_eq!(sandbox.usage().await.unwrap().processes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_execute_kills_its_process() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let waited = tokio::time::timeout(Duration::from_millis(50), sandbox.execute(sleep(), vec![])).await;
    assert!(waited.is_err());
    while !sandbox.processes().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// A close that is being sent just as the driver stops listening must be answered too. Whoever is not waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn closing_from_many_sides_at_once_always_ends() {
    let host = Host::with(vec![]);
    let run = host.run();
    for _ in 0..500 {
        let sandbox = run.create(Spec::default()).await.unwrap();
        let closes = (0..4).map(|_| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                sandbox.abandon();
                sandbox.close().await
            })
        });
        let closed = futures_util::future::join_all(closes.collect::<Vec<_>>());
        let closed = tokio::time::timeout(Duration::from_secs(60), closed).await.unwrap();
        assert!(closed.into_iter().all(|closed| closed.unwrap().is_ok()));
    }
}
