//! What only a relay can do wrong.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use mimobox_agent_client::{ExitStatus, SpawnError, SpawnFailure, Stdin, UsageError, UsageFailure};
use mimobox_protocol::{Command, Decoder, Hello, Request, Response, SetUpAnswer, SetUpFailure, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Agent, command, line, output, run, script, set_up};

/// Whoever speaks over the control connection itself.
struct Control {
    stream: UnixStream,
    decoder: Decoder,
}

impl Control {
    fn new() -> (Agent, Self) {
        let (agent, stream) = Agent::bare();
        (agent, Self { stream, decoder: Decoder::new() })
    }

    /// One to whom the agent has said hello.
    fn greeted() -> (Agent, Self) {
        let (agent, mut control) = Self::new();
        control.send(&set_up());
        assert_eq!(control.receive(), Some(SetUpAnswer::Done));
        control.send(&Hello::OURS);
        assert_eq!(control.receive(), Some(Hello::OURS));
        (agent, control)
    }

    fn send<T: Serialize>(&mut self, message: &T) {
        self.stream.write_all(&encode(message).unwrap()).unwrap();
    }

    fn receive<T: DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            let mut byte = [0];
            if self.stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            if let Some(message) = self.decoder.next(&mut &byte[..]).unwrap() {
                return Some(message);
            }
        }
    }
}

fn spawn(id: u32) -> Request {
    let command = Command { program: "/bin/true".into(), directory: "/".into(), ..Command::default() };
    Request::Spawn { id, command, stdin: Stdin::Null }
}

#[test]
fn a_set_up_that_is_none_is_refused_and_the_machine_waits_for_its_host_to_go() {
    let frames: [&[u8]; 4] = [b"\x01\0\0\0\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x02\0\0\0\0\0"];
    for bytes in frames {
        let (mut agent, mut control) = Control::new();
        control.stream.write_all(bytes).unwrap();
        assert_eq!(control.receive(), Some(SetUpAnswer::Failed(SetUpFailure::NotUnderstood)), "{bytes:?}");
        // What it says besides is not heard.
        control.send(&Hello::OURS);
        control.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(control.receive::<Hello>(), None);
        assert_eq!(agent.wait(), Some(0));
    }
}

#[test]
fn a_host_that_goes_before_it_has_said_anything_ends_the_machine() {
    let (mut agent, control) = Control::new();
    drop(control);
    assert_eq!(agent.wait(), Some(0));
}

#[test]
fn a_host_that_goes_ends_the_machine() {
    let (mut agent, control) = Control::greeted();
    drop(control);
    assert_eq!(agent.wait(), Some(0));
}

#[test]
fn a_request_that_is_none_ends_the_machine() {
    for bytes in [&b"\x01\0\0\0\xff"[..], b"\xff\xff\xff\xff", b"\0\0\0\0"] {
        let (mut agent, mut control) = Control::greeted();
        control.stream.write_all(bytes).unwrap();
        assert_eq!(agent.wait(), Some(1), "{bytes:?}");
    }
}

#[test]
fn a_frame_whose_streams_never_come_ends_the_machine() {
    let (mut agent, mut control) = Control::greeted();
    control.send(&spawn(1));
    let mut stream = agent.stream();
    stream.write_all(&0_u32.to_le_bytes()).unwrap();
    assert_eq!(agent.wait(), Some(1));
}

#[test]
fn a_stream_that_nobody_has_announced_ends_the_machine() {
    for numbers in [[1, 2], [0, 2], [0, 0], [u32::MAX, 0]] {
        let (mut agent, mut control) = Control::greeted();
        control.send(&spawn(1));
        let mut streams = numbers.map(|_| agent.stream());
        for (stream, number) in streams.iter_mut().zip(numbers) {
            // The machine may be gone by the second.
            let _ = stream.write_all(&u32::to_le_bytes(number));
        }
        assert_eq!(agent.wait(), Some(1), "{numbers:?}");
    }
}

#[test]
fn a_stream_that_ends_before_its_number_ends_the_machine() {
    let (mut agent, mut control) = Control::greeted();
    control.send(&spawn(1));
    agent.stream().write_all(&[0, 0]).unwrap();
    assert_eq!(agent.wait(), Some(1));
}

#[test]
fn streams_may_come_before_their_frame_and_their_numbers_byte_by_byte_in_any_order() {
    let (agent, mut control) = Control::greeted();
    let mut streams = [agent.stream(), agent.stream()];
    for place in 0..4 {
        for (stream, number) in streams.iter_mut().zip([1_u32, 0]) {
            stream.write_all(&number.to_le_bytes()[place..=place]).unwrap();
        }
        if place == 1 {
            control.send(&spawn(1));
        }
    }
    assert_eq!(control.receive(), Some(Response::Started { id: 1 }));
    assert_eq!(control.receive(), Some(Response::Ended { id: 1, status: ExitStatus::Exited(0) }));
    for mut stream in streams {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn frames_after_one_that_waits_for_its_streams_wait_with_it() {
    let (agent, mut control) = Control::greeted();
    control.send(&spawn(1));
    control.send(&Request::Usage { id: 2 });
    let mut streams = [agent.stream(), agent.stream()];
    for (stream, number) in streams.iter_mut().zip([0_u32, 1]) {
        stream.write_all(&number.to_le_bytes()).unwrap();
    }
    assert_eq!(control.receive(), Some(Response::Started { id: 1 }));
    let rest: [Option<Response>; 2] = [control.receive(), control.receive()];
    assert!(
        rest.contains(&Some(Response::Used { id: 2, usage: Err(UsageFailure::NotAMachine) })),
        "{rest:?}"
    );
}

#[tokio::test]
async fn a_reader_that_takes_its_time_does_not_hold_up_another_process() {
    let (_agent, client) = Agent::connect().await;
    // More than all that lies between can hold.
    let mut slow = client.spawn(script("yes | head -c 8388608; exit 3"), Stdin::Null).await.unwrap();
    for number in 0..20 {
        let (output, status) = run(&client, command("echo", &[&number.to_string()])).await;
        assert_eq!((output, status), (format!("{number}\n"), ExitStatus::Exited(0)));
    }
    let mut bytes = Vec::new();
    slow.stdout.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.len(), 8_388_608);
    assert_eq!(slow.ended.await.unwrap(), ExitStatus::Exited(3));
}

#[tokio::test]
async fn a_writer_whose_reader_has_gone_is_told() {
    let (_agent, client) = Agent::connect().await;
    let mut process = client.spawn(script("echo; exec yes"), Stdin::Null).await.unwrap();
    line(&mut process).await;
    drop(process.stdout);
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Signaled(13));
}

#[tokio::test]
async fn output_of_many_processes_at_once_arrives_whole() {
    let (_agent, client) = Agent::connect().await;
    let mut running = Vec::new();
    for _ in 0..50 {
        running.push(client.spawn(command("seq", &["20000"]), Stdin::Null).await.unwrap());
    }
    let expected: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    for process in running {
        assert!(output(process.stdout).await == expected, "output was lost");
        assert_eq!(process.ended.await.unwrap(), ExitStatus::Exited(0));
    }
}

#[tokio::test]
async fn a_refused_command_leaves_nothing_open() {
    let (agent, client) = Agent::connect().await;
    run(&client, command("true", &[])).await;
    let before = agent.descriptors();
    for _ in 0..20 {
        let refused = client.spawn(command("/no/such", &[]), Stdin::Pipe).await;
        assert!(matches!(refused, Err(SpawnError::Refused(SpawnFailure::NotFound))), "{refused:?}");
    }
    // What is passed on of this one comes after all of those.
    run(&client, command("true", &[])).await;
    assert_eq!(agent.descriptors(), before);
}

#[tokio::test]
async fn a_thousand_commands_leave_nothing_open() {
    let (agent, client) = Agent::connect().await;
    run(&client, command("true", &[])).await;
    let before = agent.descriptors();
    for _ in 0..1000 {
        let mut process = client.spawn(command("cat", &[]), Stdin::Pipe).await.unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(b"x").await.unwrap();
        input.shutdown().await.unwrap();
        assert_eq!(output(process.stdout).await, "x");
        assert_eq!(output(process.stderr).await, "");
        process.ended.await.unwrap();
    }
    run(&client, command("true", &[])).await;
    assert_eq!(agent.descriptors(), before);
}

#[tokio::test]
async fn a_sandbox_that_is_no_machine_does_not_say_what_its_host_uses() {
    let (_agent, client) = Agent::connect().await;
    let usage = client.usage().await;
    assert!(matches!(usage, Err(UsageError::Refused(UsageFailure::NotAMachine))), "{usage:?}");
}
