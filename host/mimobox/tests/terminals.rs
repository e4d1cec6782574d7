//! Sessions on terminals of real sandboxes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::time::{Duration, Instant};

use mimobox::{Command, ExitStatus, PtyOutput, Sandbox, blocking};
use mimobox_harness::can_sandbox;

/// All that is shown until `word` is among it.
async fn shown_until(output: &mut PtyOutput, word: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(word) {
        match output.recv().await {
            Some(bytes) => shown.push_str(&String::from_utf8_lossy(&bytes.unwrap())),
            None => panic!("it ended before it showed {word:?}: {shown}"),
        }
    }
    shown
}

#[tokio::test]
async fn a_terminal_has_the_size_that_it_was_given_last() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let mut session = sandbox.create_pty(Command::new("/bin/sh"), 100, 30).await.unwrap();
    let mut output = session.output().unwrap();
    assert!(session.output().is_none(), "given twice");
    session.send_input(b"stty size\n").await.unwrap();
    shown_until(&mut output, "30 100").await;
    session.resize(132, 43).await.unwrap();
    session.send_input(b"stty size\n").await.unwrap();
    shown_until(&mut output, "43 132").await;
    session.send_input(b"exit 3\n").await.unwrap();
    while output.recv().await.is_some() {}
    assert_eq!(session.wait().await.unwrap(), ExitStatus::Exited(3));
    assert_eq!(session.resize(80, 24).await.unwrap_err().code(), "gone");
}

#[tokio::test]
async fn control_c_interrupts_what_runs_and_not_the_shell() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let mut session = sandbox.create_pty(Command::new("/bin/sh"), 80, 24).await.unwrap();
    let mut output = session.output().unwrap();
    // Quoted so that its echo is not taken for its answer.
    session.send_input(b"sh -c 'echo rea\"\"dy; exec sleep 3600'\n").await.unwrap();
    shown_until(&mut output, "ready").await;
    session.send_input(b"\x03").await.unwrap();
    // The terminal may lose what is shown around an interrupt: the shell proves by its exit that it goes on.
    session.send_input(b"exit 3\n").await.unwrap();
    while output.recv().await.is_some() {}
    assert_eq!(session.wait().await.unwrap(), ExitStatus::Exited(3));
}

#[tokio::test]
async fn a_dropped_session_is_hung_up() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let session = sandbox.create_pty(Command::new("sleep").arg("3600"), 80, 24).await.unwrap();
    drop(session);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sandbox.processes().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "it runs on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_window_without_columns_is_refused() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let refused = sandbox.create_pty(Command::new("/bin/sh"), 0, 24).await.unwrap_err();
    assert_eq!(refused.code(), "invalid-argument");
}

#[test]
fn a_terminal_is_used_without_async_too() {
    if !can_sandbox() {
        return;
    }
    let sandbox = blocking::Sandbox::new().unwrap();
    let mut session = sandbox.create_pty(Command::new("/bin/sh"), 80, 24).unwrap();
    let output = session.output().unwrap();
    session.send_input(b"stty size; exit\n").unwrap();
    let shown: Vec<u8> = output.flat_map(|bytes| bytes.unwrap().to_vec()).collect();
    assert!(String::from_utf8_lossy(&shown).contains("24 80"));
    assert_eq!(session.wait().unwrap(), ExitStatus::Exited(0));
}
