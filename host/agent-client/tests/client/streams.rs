//! The host's ends of standard streams.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use mimobox_agent_client::{ExitStatus, Stdin};
use mimobox_protocol::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fake_agent::{FakeAgent, PATIENT, started};

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_travel_in_the_order_input_output_error() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (mut process, mut ends) = started(&mut agent, &client, Stdin::Pipe).await;
    let [input, output, error] = ends.drain(..).map(File::from).collect::<Vec<_>>().try_into().unwrap();
    process.stdin.take().unwrap().write_all(b"in").await.unwrap();
    let (mut input, mut output, mut error) = (input, output, error);
    let mut text = String::new();
    input.read_to_string(&mut text).unwrap();
    assert_eq!(text, "in");
    output.write_all(b"out").unwrap();
    error.write_all(b"error").unwrap();
    drop((output, error));
    let (mut out, mut err) = (String::new(), String::new());
    process.stdout.read_to_string(&mut out).await.unwrap();
    process.stderr.read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out", "error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_before_the_end_is_whole_and_what_comes_later_is_not_waited_for() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (mut process, mut ends) = started(&mut agent, &client, Stdin::Null).await;
    let mut output = File::from(ends.remove(0));
    output.write_all(b"before").unwrap();
    agent.send(&Response::Ended { id: process.id, status: ExitStatus::Exited(0) });
    process.ended.await.unwrap();
    // The first read learns of the end, and how much there was by then.
    let mut text = vec![0; 3];
    process.stdout.read_exact(&mut text).await.unwrap();
    output.write_all(b"after").unwrap();
    process.stdout.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"before");
    assert_eq!(process.stdout.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_already_learns_of_the_end() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (mut process, ends) = started(&mut agent, &client, Stdin::Null).await;
    let mut text = Vec::new();
    let ending = async { agent.send(&Response::Ended { id: process.id, status: ExitStatus::Exited(0) }) };
    let (read, ()) = tokio::join!(biased; process.stdout.read_to_end(&mut text), ending);
    assert_eq!(read.unwrap(), 0);
    drop(ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_waits_already_learns_of_the_end() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (mut process, ends) = started(&mut agent, &client, Stdin::Pipe).await;
    let mut input = process.stdin.take().unwrap();
    let bytes = vec![0; 64 * 1024 * 1024];
    let ending = async { agent.send(&Response::Ended { id: process.id, status: ExitStatus::Exited(0) }) };
    let (written, ()) = tokio::join!(biased; input.write_all(&bytes), ending);
    assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(input.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_the_input_down_closes_it() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (mut process, mut ends) = started(&mut agent, &client, Stdin::Pipe).await;
    let mut input = process.stdin.take().unwrap();
    input.write_all(b"all").await.unwrap();
    input.shutdown().await.unwrap();
    let mut text = String::new();
    File::from(ends.remove(0)).read_to_string(&mut text).unwrap();
    assert_eq!(text, "all");
    assert_eq!(input.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_another_user_may_open_its_ends_again_but_not_the_hosts() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (_process, ends) = started(&mut agent, &client, Stdin::Pipe).await;
    // Through /proc/self/fd: its own input for reading, its own outputs for writing.
    let others: Vec<_> =
        ends.into_iter().map(|end| File::from(end).metadata().unwrap().permissions().mode() & 0o7).collect();
    assert_eq!(others, [0o4, 0o2, 0o2]);
}
