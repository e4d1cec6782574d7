//! Bytes to and from a command that runs.

use mimobox_sandbox::{Command, Error, ExitStatus, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Harness, sandbox, sleeper};

pub(crate) const MEBIBYTE: usize = 1024 * 1024;

/// Bytes that no pattern of the way could repair: xorshift, from a seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(|| next().to_le_bytes()).flatten().take(length).collect()
}

/// Both ways at once, while neither end can hold it all.
pub async fn sixty_four_mebibytes_pass_byte_for_byte(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("cat"), true).await.unwrap();
    let (mut stdin, mut stdout) = (process.take_stdin().unwrap(), process.take_stdout().unwrap());
    let writer = tokio::spawn(async move {
        for block in 1..=64 {
            stdin.write_all(&noise(block, MEBIBYTE)).await.unwrap();
        }
        stdin.shutdown().await.unwrap();
    });
    let mut received = vec![0; MEBIBYTE];
    for block in 1..=64 {
        stdout.read_exact(&mut received).await.unwrap();
        assert!(received == noise(block, MEBIBYTE), "mebibyte {block} differs");
    }
    assert_eq!(stdout.read(&mut received).await.unwrap(), 0);
    writer.await.unwrap();
    assert_eq!(process.wait().await, Ok(ExitStatus::Exited(0)));
}

/// The writer waits, whatever the process's end does to its pipes.
pub async fn a_slow_reader_loses_nothing(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("cat"), true).await.unwrap();
    let (mut stdin, mut stdout) = (process.take_stdin().unwrap(), process.take_stdout().unwrap());
    let sent = noise(7, 40_000);
    stdin.write_all(&sent).await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    // All is in the pipe, and the process is gone, before the first byte is read.
    assert_eq!(process.wait().await, Ok(ExitStatus::Exited(0)));
    let mut received = Vec::new();
    stdout.read_to_end(&mut received).await.unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

/// Each in its own stream.
pub async fn standard_output_and_error_stay_apart(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let finished = sandbox.execute(Command::new("ls").arguments(["/no/such/place"]), vec![]).await.unwrap();
    assert_eq!(finished.stdout, b"");
    assert!(finished.stderr.starts_with(b"ls: "), "{}", String::from_utf8_lossy(&finished.stderr));
    // 2 by coreutils, 1 by busybox.
    assert!(matches!(finished.status, ExitStatus::Exited(1 | 2)), "{}", finished.status);
}

/// As in any pipeline.
pub async fn a_closed_reader_ends_an_endless_writer(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("yes"), false).await.unwrap();
    let mut stdout = process.take_stdout().unwrap();
    let mut line = [0; 2];
    stdout.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"y\n");
    drop(stdout);
    // SIGPIPE, or its exit code where it looks at the error.
    assert!(matches!(process.wait().await, Ok(ExitStatus::Signaled(13) | ExitStatus::Exited(1))));
}

/// Two readers would tear it apart.
pub async fn a_stream_is_given_once(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("true"), false).await.unwrap();
    assert!(process.take_stdout().is_some());
    assert!(process.take_stdout().is_none());
    assert!(process.take_stdin().is_none(), "none was asked for");
}

/// With its number.
pub async fn a_signal_ends_a_process(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    for (signal, number) in
        [(Signal::Terminate, 15), (Signal::Kill, 9), (Signal::HangUp, 1), (Signal::User1, 10)]
    {
        let process = sandbox.spawn(sleeper(), false).await.unwrap();
        sandbox.signal(&process, signal).await.unwrap();
        assert_eq!(process.wait().await, Ok(ExitStatus::Signaled(number)));
    }
}

/// Rather than sent to whoever has its number now.
pub async fn a_signal_to_an_ended_process_is_refused(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("true"), false).await.unwrap();
    process.wait().await.unwrap();
    assert_eq!(sandbox.signal(&process, Signal::Kill).await, Err(Error::Gone));
}

/// What dropping a guest's handle means.
pub async fn an_abandoned_process_is_killed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(sleeper(), false).await.unwrap();
    process.abandon();
    assert_eq!(process.wait().await, Ok(ExitStatus::Signaled(9)));
}

/// And its output is there for whoever attaches.
pub async fn a_detached_process_outlives_its_handle(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(Command::new("cat"), true).await.unwrap();
    let mut stdin = process.take_stdin().unwrap();
    stdin.write_all(b"before ").await.unwrap();
    let id = sandbox.detach(&process);
    process.abandon();
    drop(process);
    stdin.write_all(b"after").await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    let again = sandbox.attach(id).unwrap();
    assert_eq!(again.command().program, "cat");
    let mut text = String::new();
    again.take_stdout().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "before after");
    assert_eq!(again.wait().await, Ok(ExitStatus::Exited(0)));
}

/// While a running one is.
pub async fn an_ended_process_is_listed_no_more(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let running = sandbox.spawn(sleeper(), false).await.unwrap();
    let ended = sandbox.spawn(Command::new("true"), false).await.unwrap();
    ended.wait().await.unwrap();
    let listed: Vec<u32> = sandbox.processes().unwrap().iter().map(mimobox_sandbox::Process::id).collect();
    assert_eq!(listed, [running.id()]);
}
