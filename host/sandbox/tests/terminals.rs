//! Sessions: who is asked, and how they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::time::Duration;

use futures_util::FutureExt as _;
use mimobox_sandbox::{
    Command, Error, ExitStatus, Operation, Run, Sandbox, Session, Spec, TerminalSize, fake,
};
use support::{Host, Told, allow, deny};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

const SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

async fn sandbox(host: &Host) -> (Run, Sandbox) {
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    (run, sandbox)
}

async fn open(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Session {
    let command = Command::new(program).arguments(arguments.iter().copied());
    sandbox.open_terminal(command, SIZE).await.unwrap()
}

#[tokio::test]
async fn a_policy_sees_whether_a_command_gets_a_terminal() {
    let host = Host::with(vec![Told::new("p", |event| match &event.operation {
        Operation::Execute(execution) if execution.terminal => Ok(deny("no-terminals")),
        _ => Ok(allow()),
    })]);
    let (_run, sandbox) = sandbox(&host).await;
    match sandbox.open_terminal(Command::new("cat"), SIZE).await {
        Err(Error::Denied(denial)) => assert_eq!(denial.rule, "no-terminals"),
        other => panic!("not denied: {other:?}"),
    }
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

#[tokio::test]
async fn a_terminal_without_columns_or_rows_is_refused_before_anybody_is_asked() {
    let told = Told::new("p", |_| Ok(allow()));
    let asked = told.asked.clone();
    let host = Host::with(vec![told]);
    let (_run, sandbox) = sandbox(&host).await;
    let before = *asked.lock();
    for size in [TerminalSize { columns: 0, ..SIZE }, TerminalSize { rows: 0, ..SIZE }] {
        let opened = sandbox.open_terminal(Command::new("cat"), size).await;
        assert!(matches!(opened, Err(Error::InvalidArgument(_))), "{opened:?}");
    }
    assert_eq!(*asked.lock(), before);
}

#[tokio::test]
async fn a_session_counts_among_the_commands() {
    let host = Host::with(vec![]);
    let (run, sandbox) = sandbox(&host).await;
    let mut sessions = Vec::new();
    for _ in 0..fake::ceiling().commands {
        sessions.push(open(&sandbox, "cat", &[]).await);
    }
    let spawned = sandbox.spawn(Command::new("true"), false).await;
    assert!(matches!(spawned, Err(Error::LimitReached(_))), "{spawned:?}");
    let opened = sandbox.open_terminal(Command::new("cat"), SIZE).await;
    assert!(matches!(opened, Err(Error::LimitReached(_))), "{opened:?}");
    assert_eq!(run.history().commands, u64::from(fake::ceiling().commands));
}

#[tokio::test]
async fn a_session_s_end_and_bytes_are_in_the_log() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let session = open(&sandbox, "cat", &[]).await;
    let (mut input, mut output) = (session.take_input().unwrap(), session.take_output().unwrap());
    assert!(session.take_input().is_none() && session.take_output().is_none(), "each is given once");
    input.write_all(b"word\n\x04").await.unwrap();
    let mut shown = String::new();
    output.read_to_string(&mut shown).await.unwrap();
    assert_eq!(shown, "word\r\nword\r\n");
    assert_eq!(session.wait().await, Ok(ExitStatus::Exited(0)));
    drop((input, output, session));
    while !host.audit.entries().last().unwrap().starts_with("Finished") {
        tokio::task::yield_now().await;
    }
    let last = host.audit.entries().pop().unwrap();
    assert!(last.contains("Exited(0)") && last.contains("stdin: 6, stdout: 12, stderr: 0"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_session_ends_by_its_hang_up() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let session = open(&sandbox, "sleep", &["3600"]).await;
    session.abandon();
    assert_eq!(session.wait().await, Ok(ExitStatus::Signaled(1)));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_session_that_ignores_its_hang_up_is_killed_after_a_grace() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let session = open(&sandbox, "nohup", &["sleep", "3600"]).await;
    let since = Instant::now();
    session.abandon();
    assert_eq!(session.wait().await, Ok(ExitStatus::Signaled(9)));
    // The clock is the test's own: it stands still but where all wait for it.
    assert_eq!(since.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_s_deadline_holds_in_a_paused_sandbox() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let command = Command { timeout: Some(Duration::from_secs(5)), ..Command::new("cat") };
    let session = sandbox.open_terminal(command, SIZE).await.unwrap();
    sandbox.pause().await.unwrap();
    assert_eq!(session.wait().await, Ok(ExitStatus::TimedOut));
}

#[tokio::test]
async fn a_terminal_that_nobody_waits_for_is_closed() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    assert!(sandbox.open_terminal(Command::new("cat"), SIZE).now_or_never().is_none());
    while !host.audit.entries().last().unwrap().contains("Signaled(9)") {
        tokio::task::yield_now().await;
    }
    assert_eq!(sandbox.usage().await.unwrap().processes, 0);
}

#[tokio::test]
async fn a_sandbox_that_takes_no_commands_opens_no_terminal() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    sandbox.pause().await.unwrap();
    let opened = sandbox.open_terminal(Command::new("cat"), SIZE).await;
    assert!(matches!(opened, Err(Error::InvalidArgument(_))), "{opened:?}");
    sandbox.close().await.unwrap();
    assert_eq!(sandbox.open_terminal(Command::new("cat"), SIZE).await.err(), Some(Error::Gone));
}
