//! Standard input, output and error.

use std::io::ErrorKind;

use mimobox_agent_client::{ExitStatus, Stdin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Agent, command, line, output, run, script};

#[tokio::test]
async fn output_and_error_arrive_apart() {
    let (_agent, client) = Agent::connect().await;
    let process = client.spawn(script("echo out; echo err >&2"), Stdin::Null).await.unwrap();
    assert_eq!(output(process.stdout).await, "out\n");
    assert_eq!(output(process.stderr).await, "err\n");
}

#[tokio::test]
async fn binary_input_of_64_mib_comes_back_byte_for_byte() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let sent: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(LENGTH / 8)
    .flatten()
    .collect();

    let (_agent, client) = Agent::connect().await;
    let mut process = client.spawn(command("cat", &[]), Stdin::Pipe).await.unwrap();
    let mut input = process.stdin.take().unwrap();
    let writing = async {
        input.write_all(&sent).await.unwrap();
        input.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(writing, process.stdout.read_to_end(&mut received));
    assert_eq!(read.unwrap(), LENGTH);
    assert!(received == sent, "the bytes differ");
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Exited(0));
}

#[tokio::test]
async fn without_input_there_is_an_end_at_once() {
    let (_agent, client) = Agent::connect().await;
    let (output, status) = run(&client, command("cat", &[])).await;
    assert_eq!((output.as_str(), status), ("", ExitStatus::Exited(0)));
}

#[tokio::test]
async fn dropping_the_input_ends_it() {
    let (_agent, client) = Agent::connect().await;
    let mut process = client.spawn(script("cat; echo end"), Stdin::Pipe).await.unwrap();
    drop(process.stdin.take());
    assert_eq!(output(process.stdout).await, "end\n");
}

#[tokio::test]
async fn writing_to_a_closed_input_is_a_broken_pipe() {
    let (_agent, client) = Agent::connect().await;
    let mut process = client.spawn(script("exec <&-; echo closed; sleep 1000"), Stdin::Pipe).await.unwrap();
    assert_eq!(line(&mut process).await, "closed");
    let mut input = process.stdin.take().unwrap();
    // More than the pipe holds: while another test starts a program, that has this pipe too for a moment.
    let written = input.write_all(&vec![0; 1024 * 1024]).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
    client.kill(process.id).await.unwrap();
}

#[tokio::test]
async fn writing_waits_for_nobody_once_the_command_has_ended() {
    let (_agent, client) = Agent::connect().await;
    // The escaped shell holds the input and never reads it, until the output is closed.
    let escape = script("exec 5<&0; setsid sh -c 'while sleep 0.1 && echo; do :; done' <&5 & echo");
    let mut process = client.spawn(escape, Stdin::Pipe).await.unwrap();
    line(&mut process).await;
    let mut input = process.stdin.take().unwrap();
    let written = input.write_all(&vec![0; 64 * 1024 * 1024]).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn output_written_before_the_end_is_whole_though_an_escapee_holds_the_pipe() {
    let (_agent, client) = Agent::connect().await;
    // The escaped shell lives until its input closes, which this test holds.
    let escape = script("exec 5<&0; setsid sh -c 'read line' <&5 & seq 10000; exit 3");
    let process = client.spawn(escape, Stdin::Pipe).await.unwrap();
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Exited(3));
    let expected: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(output(process.stdout).await, expected);
    assert_eq!(output(process.stderr).await, "");
    drop(process.stdin);
}

#[tokio::test]
async fn an_escapee_that_goes_on_writing_does_not_keep_the_output_open() {
    let (_agent, client) = Agent::connect().await;
    // `yes` ends when the output is closed.
    let mut process = client.spawn(script("setsid yes & sleep 0.1"), Stdin::Null).await.unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match process.stdout.read(&mut buffer).await.unwrap() {
            0 => break,
            count => read += count,
        }
    }
    assert!(read > 0);
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Exited(0));
}

#[tokio::test]
async fn a_command_can_open_its_streams_again_by_name() {
    let (_agent, client) = Agent::connect().await;
    let reopening = script("cat /dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr");
    let mut process = client.spawn(reopening, Stdin::Pipe).await.unwrap();
    process.stdin.take().unwrap().write_all(b"in\n").await.unwrap();
    assert_eq!(output(process.stdout).await, "in\nout\n");
    assert_eq!(output(process.stderr).await, "err\n");
}
