//! The connection itself: how it ends, and a host that breaks the protocol.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use mimobox_agent_client::{ClientError, Disconnect, ExitStatus, SpawnError, Stdin};
use mimobox_protocol::{Hello, Request, Response, Signal, SignalFailure, SpawnFailure, VERSION, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::harness::{Agent, command, run};
use crate::raw_host::RawHost;

#[tokio::test]
async fn closing_it_ends_the_agent() {
    let (mut agent, client) = Agent::connect().await;
    run(&client, command("true", &[])).await;
    client.close();
    assert_eq!(agent.wait(), Some(0));
    assert_eq!(client.closed().await, Disconnect::Host);
}

#[tokio::test]
async fn dropping_the_last_client_ends_the_agent() {
    let (mut agent, client) = Agent::connect().await;
    let other = client.clone();
    drop(client);
    run(&other, command("true", &[])).await;
    drop(other);
    assert_eq!(agent.wait(), Some(0));
}

#[tokio::test]
async fn when_the_agent_is_killed_everything_is_gone() {
    let (mut agent, client) = Agent::connect().await;
    let process = client.spawn(command("cat", &[]), Stdin::Pipe).await.unwrap();
    agent.kill();
    assert_eq!(process.ended.await, Err(ClientError::Gone));
    assert_eq!(client.closed().await, Disconnect::Agent);
    let refused = client.spawn(command("true", &[]), Stdin::Null).await;
    assert!(matches!(refused, Err(SpawnError::Client(ClientError::Gone))), "{refused:?}");
}

/// Asserts that the agent has had enough of this host, and ends without content.
fn must_leave(mut agent: Agent, mut host: RawHost) {
    assert_eq!(agent.wait(), Some(1));
    assert_eq!(host.receive::<Response>(), None);
}

fn spawn(id: u32) -> Request {
    Request::Spawn { id, command: command("true", &[]), stdin: Stdin::Null }
}

fn write_ends(count: usize) -> Vec<OwnedFd> {
    std::iter::repeat_with(|| rustix::pipe::pipe().unwrap().1).take(count).collect()
}

#[test]
fn a_host_of_another_version_must_leave() {
    let frame = |name: &[u8], version: &[u8]| [name, version].concat();
    for hello in [
        frame(b"mimo", &[VERSION + 1]),
        frame(b"mimo", &[VERSION - 1]),
        frame(b"MIMO", &[VERSION]),
        frame(b"mimo", &[]),
        frame(b"mimo", &[VERSION, 0]),
    ] {
        let (agent, mut host) = RawHost::start();
        let mut frame = u32::try_from(hello.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(&hello);
        host.stream.write_all(&frame).unwrap();
        assert_eq!(host.receive::<Hello>(), Some(Hello::OURS));
        must_leave(agent, host);
    }
}

#[test]
fn a_host_that_breaks_off_in_a_frame_ends_the_agent() {
    let (mut agent, mut host) = RawHost::greeted();
    let frame = encode(&spawn(1)).unwrap();
    host.stream.write_all(&frame[..frame.len() / 2]).unwrap();
    host.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(agent.wait(), Some(0));
}

#[test]
fn frames_that_make_no_sense_are_not_put_up_with() {
    let beyond = u32::MAX.to_le_bytes();
    let unknown = [1, 0, 0, 0, 0x7f];
    let empty = [0; 4];
    for bytes in [&beyond[..], &unknown, &empty] {
        let (agent, mut host) = RawHost::greeted();
        host.stream.write_all(bytes).unwrap();
        must_leave(agent, host);
    }
}

#[test]
fn descriptors_must_be_as_many_as_a_request_takes() {
    for count in [0, 1] {
        let (agent, mut host) = RawHost::greeted();
        if count == 0 {
            host.send(&spawn(1));
        } else {
            host.send_with(&spawn(1), &write_ends(count));
        }
        must_leave(agent, host);
    }
    for count in [3, 4, 5, 16] {
        let (mut agent, mut host) = RawHost::greeted();
        host.send_with(&spawn(1), &write_ends(count));
        assert!(matches!(host.receive(), None | Some(Response::Started { id: 1 })));
        assert_eq!(agent.wait(), Some(1), "{count} were taken");
    }
}

#[test]
fn a_number_in_use_is_not_given_twice() {
    let (agent, mut host) = RawHost::greeted();
    // It runs for as long as its input is open.
    let (read, write) = rustix::pipe::pipe().unwrap();
    let mut descriptors = write_ends(2);
    descriptors.insert(0, read);
    host.send_with(&Request::Spawn { id: 1, command: command("cat", &[]), stdin: Stdin::Pipe }, &descriptors);
    assert_eq!(host.receive(), Some(Response::Started { id: 1 }));
    host.send_with(&spawn(1), &write_ends(2));
    must_leave(agent, host);
    drop(write);
}

#[test]
fn a_request_split_at_every_byte_is_understood() {
    let (_agent, mut host) = RawHost::greeted();
    for id in 0..50 {
        for byte in encode(&Request::Signal { id, process: 99, signal: Signal::Kill }).unwrap() {
            host.stream.write_all(&[byte]).unwrap();
        }
        let delivered = Err(SignalFailure::NotFound);
        assert_eq!(host.receive(), Some(Response::Signalled { id, delivered }));
    }
}

/// Whether there is room within a moment.
fn is_writable(stream: &UnixStream) -> bool {
    let moment = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
    poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&moment)).unwrap() == 1
}

#[test]
fn a_host_that_does_not_read_is_not_read_from() {
    let (_agent, mut host) = RawHost::greeted();
    host.stream.set_nonblocking(true).unwrap();
    let request = |id| encode(&Request::Signal { id, process: u32::MAX, signal: Signal::Kill }).unwrap();
    let mut sent = 0;
    let mut rest = Vec::new();
    // The socket's buffers and the agent's own take so many, and then no more.
    while rest.is_empty() && sent < 1_000_000 {
        rest = request(sent);
        sent += 1;
        while !rest.is_empty() && is_writable(&host.stream) {
            match host.stream.write(&rest) {
                Ok(count) => drop(rest.drain(..count)),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }
    assert!(!rest.is_empty(), "the agent took {sent} requests without an answer read");
    host.stream.set_nonblocking(false).unwrap();
    let mut writing = host.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(&rest).unwrap());
    for id in 0..sent {
        let delivered = Err(SignalFailure::NotFound);
        assert_eq!(host.receive(), Some(Response::Signalled { id, delivered }));
    }
    writer.join().unwrap();
}

#[test]
fn a_refusal_is_the_last_word_on_a_number() {
    let (_agent, mut host) = RawHost::greeted();
    let missing = Request::Spawn { id: 1, command: command("/missing", &[]), stdin: Stdin::Null };
    host.send_with(&missing, &write_ends(2));
    assert_eq!(host.receive(), Some(Response::Refused { id: 1, failure: SpawnFailure::NotFound }));
    host.send_with(&spawn(1), &write_ends(2));
    assert_eq!(host.receive(), Some(Response::Started { id: 1 }));
    assert_eq!(host.receive(), Some(Response::Ended { id: 1, status: ExitStatus::Exited(0) }));
}
