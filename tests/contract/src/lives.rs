//! Sandboxes from their beginning to their end.

use std::collections::BTreeSet;
use std::time::Duration;

use mimobox_sandbox::{Command, Error, ExitStatus, Spec, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Harness, sandbox, sleeper};

/// Nothing comes out of it until it goes on; then nothing is missing.
pub async fn a_paused_sandbox_stands_still(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("cat"), true).await.unwrap();
    let (mut stdin, mut stdout) = (process.take_stdin().unwrap(), process.take_stdout().unwrap());
    sandbox.pause().await.unwrap();
    assert_eq!(sandbox.state(), State::Paused);
    stdin.write_all(b"hello").await.unwrap();
    let mut word = [0; 5];
    let silence = tokio::time::timeout(Duration::from_millis(300), stdout.read_exact(&mut word)).await;
    assert!(silence.is_err(), "it spoke while it was paused");
    sandbox.resume().await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"hello");
}

/// By a typed error.
pub async fn execute_after_close_is_refused(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(sleeper(), false).await.unwrap();
    sandbox.close().await.unwrap();
    assert_eq!(sandbox.execute(Command::new("true"), vec![]).await, Err(Error::Gone));
    assert_eq!(process.wait().await, Err(Error::Gone));
}

/// And the quota is given back once.
pub async fn closing_twice_is_no_error(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    sandbox.close().await.unwrap();
    sandbox.close().await.unwrap();
    assert_eq!(harness.manager().sandboxes(), 0);
}

/// Whether its owner closed them or not.
pub async fn the_end_of_a_run_closes_its_sandboxes(harness: &impl Harness) {
    let (run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(sleeper(), false).await.unwrap();
    run.end().await.unwrap();
    assert_eq!(sandbox.state(), State::Closed);
    assert_eq!(process.wait().await, Err(Error::Gone));
    assert_eq!(harness.manager().sandboxes(), 0);
}

/// Whatever runs in it.
pub async fn a_lifetime_ends_a_sandbox(harness: &impl Harness) {
    let run = harness.run();
    let spec = Spec { lifetime: Some(harness.moment() * 5 / 2), ..Spec::default() };
    let sandbox = run.create(spec).await.unwrap();
    let process = sandbox.spawn(sleeper(), false).await.unwrap();
    assert_eq!(process.wait().await, Err(Error::Gone));
}

/// Each with its own answer.
pub async fn sixteen_sandboxes_live_at_once(harness: &impl Harness) {
    let run = harness.run();
    let mut sandboxes = Vec::new();
    for _ in 0..16 {
        sandboxes.push(run.create(Spec::default()).await.unwrap());
    }
    let ids: BTreeSet<_> = sandboxes.iter().map(|sandbox| sandbox.id().clone()).collect();
    assert_eq!(ids.len(), 16);
    for (number, sandbox) in sandboxes.iter().enumerate() {
        let command = Command::new("echo").arguments([number.to_string()]);
        let finished = sandbox.execute(command, vec![]).await.unwrap();
        assert_eq!(finished.stdout, format!("{number}\n").as_bytes());
        assert_eq!(finished.status, ExitStatus::Exited(0));
    }
}

/// So that a program can look one up.
pub async fn the_enforcement_report_names_each_mechanism_once(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let names: Vec<_> = sandbox.enforcement().iter().map(|line| line.mechanism.clone()).collect();
    let unique: BTreeSet<_> = names.iter().cloned().collect();
    assert!(!names.is_empty());
    assert_eq!(unique.len(), names.len(), "{names:?}");
}
