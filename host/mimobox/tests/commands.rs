//! Commands in real sandboxes: to their end, as events, and in the background.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::time::Duration;

use mimobox::{Command, Config, ExitStatus, Sandbox, Signal, StreamEvent};
use mimobox_harness::can_sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MIB: usize = 1024 * 1024;

/// Bytes in which a lost, doubled or swapped chunk shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64 / 8).flat_map(|number| number.to_le_bytes()).collect()
}

#[tokio::test]
async fn a_shell_line_is_read_by_a_shell() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let result = sandbox.execute("echo one two | wc -w; echo oops >&2; exit 3").await.unwrap();
    assert_eq!(result.stdout_text().trim(), "2");
    assert_eq!(result.stderr, b"oops\n");
    assert_eq!(result.exit_code, Some(3));
    assert!(!result.timed_out && !result.success());
}

#[tokio::test]
async fn an_argument_is_read_by_no_shell() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let result = sandbox.run(Command::new("echo").arg("$HOME; `id`")).await.unwrap();
    assert_eq!(result.stdout, b"$HOME; `id`\n");
}

#[tokio::test]
async fn a_command_has_its_environment_directory_and_input() {
    if !can_sandbox() {
        return;
    }
    let config = Config::builder().environment("A", "sandbox").environment("B", "sandbox").build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    let command = Command::shell("echo $A $B; pwd; cat").env("A", "command").directory("/tmp").stdin("typed");
    let result = sandbox.run(command).await.unwrap();
    assert_eq!(result.stdout_text(), "command sandbox\n/tmp\ntyped");
}

#[tokio::test]
async fn the_sandbox_s_timeout_ends_a_command_and_its_own_goes_before() {
    if !can_sandbox() {
        return;
    }
    let config = Config::builder().timeout(Duration::from_secs(3)).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    let result = sandbox.execute("echo started; sleep 3600").await.unwrap();
    assert!(result.timed_out);
    assert_eq!((result.exit_code, result.stdout_text().as_ref()), (None, "started\n"));
    let patient = Command::shell("sleep 3.3; echo done").timeout(Duration::from_secs(60));
    assert_eq!(sandbox.run(patient).await.unwrap().stdout, b"done\n");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_found() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let refused = sandbox.run(Command::new("no-such-program")).await.unwrap_err();
    assert_eq!(refused.code(), "not-found");
}

#[tokio::test]
async fn sixty_four_mebibytes_pass_through_a_command_byte_for_byte() {
    if !can_sandbox() {
        return;
    }
    let sent = pattern(64 * MIB);
    let sandbox = Sandbox::new().await.unwrap();
    let mut events = sandbox.stream(Command::new("cat").stdin(sent.clone())).await.unwrap();
    let mut received = Vec::with_capacity(sent.len());
    let mut end = None;
    while let Some(event) = events.recv().await {
        assert!(end.is_none(), "{event:?} after the end");
        match event {
            StreamEvent::Stdout(bytes) => received.extend_from_slice(&bytes),
            StreamEvent::Exit(code) => end = Some(code),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(end, Some(Some(0)));
    assert!(received == sent, "{} bytes came back, or others", received.len());
    assert!(events.recv().await.is_none(), "an event after none");
}

#[tokio::test]
async fn events_that_nobody_receives_make_the_command_wait() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let line = "yes | head -c 1048576; echo passed > /tmp/passed";
    let mut events = sandbox.stream_execute(line).await.unwrap();
    let waits = Command::shell("sleep 0.5; test ! -e /tmp/passed");
    assert!(sandbox.run(waits).await.unwrap().success(), "it wrote on without a reader");
    let mut length = 0;
    while let Some(event) = events.recv().await {
        if let StreamEvent::Stdout(bytes) = event {
            length += bytes.len();
        }
    }
    assert_eq!(length, MIB);
    assert!(sandbox.execute("test -e /tmp/passed").await.unwrap().success());
}

#[tokio::test]
async fn a_deadline_is_the_last_event() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let command = Command::new("sleep").arg("3600").timeout(Duration::from_secs(3));
    let mut events = sandbox.stream(command).await.unwrap();
    assert!(matches!(events.recv().await, Some(StreamEvent::TimedOut)));
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn a_dropped_receiver_kills_the_command() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let events = sandbox.stream(Command::new("sleep").arg("3600")).await.unwrap();
    assert_eq!(sandbox.processes().unwrap().len(), 1);
    drop(events);
    while !sandbox.processes().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_end_of_the_sandbox_is_the_last_event() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let mut events = sandbox.stream(Command::new("sleep").arg("3600")).await.unwrap();
    sandbox.destroy().await.unwrap();
    let mut last = None;
    while let Some(event) = events.recv().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(StreamEvent::Failed(_) | StreamEvent::Exit(None))), "{last:?}");
}

#[tokio::test]
async fn a_process_reads_what_is_written_while_it_runs() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let mut process = sandbox.spawn(Command::new("cat").stdin_piped()).await.unwrap();
    let (mut stdin, mut stdout) = (process.take_stdin().unwrap(), process.take_stdout().unwrap());
    assert!(process.take_stdin().is_none() && process.take_stdout().is_none(), "given twice");
    for word in [b"ping", b"pong"] {
        stdin.write_all(word).await.unwrap();
        let mut echoed = [0; 4];
        stdout.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, word);
    }
    drop(stdin);
    assert_eq!(process.wait().await.unwrap(), ExitStatus::Exited(0));
}

#[tokio::test]
async fn a_spawned_process_without_a_pipe_waits_for_nobody() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let closed = sandbox.spawn(Command::new("cat")).await.unwrap();
    assert_eq!(closed.wait().await.unwrap(), ExitStatus::Exited(0));
    let mut fed = sandbox.spawn(Command::new("cat").stdin("all of it")).await.unwrap();
    let mut echoed = String::new();
    fed.take_stdout().unwrap().read_to_string(&mut echoed).await.unwrap();
    assert_eq!(echoed, "all of it");
}

#[tokio::test]
async fn a_pipe_that_nobody_would_have_is_refused() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let refused = sandbox.run(Command::new("cat").stdin_piped()).await.unwrap_err();
    assert_eq!(refused.code(), "invalid-argument");
}

#[tokio::test]
async fn a_signal_ends_a_process_and_is_its_status() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let process = sandbox.spawn(Command::new("sleep").arg("3600")).await.unwrap();
    process.signal(Signal::Terminate).await.unwrap();
    assert_eq!(process.wait().await.unwrap(), ExitStatus::Signaled(15));
    assert_eq!(process.signal(Signal::Terminate).await.unwrap_err().code(), "gone");
}

#[tokio::test]
async fn a_detached_process_runs_on_and_keeps_its_output() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let process = sandbox.spawn(Command::shell("echo kept; sleep 0.1; echo more")).await.unwrap();
    let id = process.detach();
    let listed = sandbox.processes().unwrap();
    assert_eq!(listed.iter().map(|process| process.id).collect::<Vec<_>>(), [id]);
    let mut process = sandbox.attach(id).unwrap();
    assert_eq!(sandbox.attach(id).unwrap_err().code(), "already-exists");
    let mut output = String::new();
    process.take_stdout().unwrap().read_to_string(&mut output).await.unwrap();
    assert_eq!(output, "kept\nmore\n");
    assert_eq!(process.wait().await.unwrap(), ExitStatus::Exited(0));
}
