//! Machines: what they are told first, and streams that somebody relays.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;

use mimobox_agent_client::{
    Client, ConnectError, Disconnect, ExitStatus, MachineRoot, MachineUsage, Options, SetUp, SetUpFailure,
    Spawned, Stdin, Streams, UsageError, UsageFailure,
};
use mimobox_protocol::{Hello, Request, Response, SetUpAnswer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fake_agent::{FakeAgent, PATIENT, is_pending, started};

const RELAYED: Options = Options { streams: Streams::Relayed, ..PATIENT };

pub(crate) fn set_up() -> SetUp {
    SetUp {
        clock_seconds: 1_800_000_000,
        clock_nanoseconds: 0,
        entropy: [7; 32],
        host_name: "machine".into(),
        root: MachineRoot::Base,
        writable: 1 << 20,
        volumes: Vec::new(),
        processes: 64,
    }
}

/// What connecting to a machine comes to that answers its set-up like this.
async fn answered(answer: SetUpAnswer) -> (FakeAgent, Result<Client, ConnectError>) {
    let (mut agent, stream) = FakeAgent::new();
    agent.send(&answer);
    agent.send(&Hello::OURS);
    (agent, Client::connect_machine(stream, &set_up(), RELAYED).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_told_what_it_is_before_anything_else() {
    let (mut agent, client) = answered(SetUpAnswer::Done).await;
    let _client = client.unwrap();
    assert_eq!(agent.receive::<SetUp>(), Some(set_up()));
    assert_eq!(agent.receive::<Hello>(), Some(Hello::OURS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_cannot_be_set_up_says_why() {
    let failure = SetUpFailure::Volume(1);
    let (mut agent, refused) = answered(SetUpAnswer::Failed(failure)).await;
    assert!(matches!(refused, Err(ConnectError::SetUp(why)) if why == failure), "{refused:?}");
    // It is let go of: it has nothing to wait for any more.
    assert_eq!(agent.receive::<SetUp>(), Some(set_up()));
    assert_eq!(agent.receive::<Hello>(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_set_up_that_is_none_is_refused() {
    let (mut agent, stream) = FakeAgent::new();
    agent.send_bytes(b"\x01\0\0\0\x07");
    let refused = Client::connect_machine(stream, &set_up(), RELAYED).await;
    assert!(matches!(refused, Err(ConnectError::Disconnected(Disconnect::Frame(_)))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_longer_than_a_frame_is_never_sent() {
    let (mut agent, stream) = FakeAgent::new();
    let set_up = SetUp { host_name: "x".repeat(512 * 1024), ..set_up() };
    let refused = Client::connect_machine(stream, &set_up, RELAYED).await;
    assert!(matches!(refused, Err(ConnectError::SetUp(SetUpFailure::Invalid))), "{refused:?}");
    assert_eq!(agent.receive::<SetUp>(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_machine_uses_is_asked_and_told() {
    let (mut agent, client) = FakeAgent::connect(RELAYED).await;
    let uses = MachineUsage { processes: 3, memory: 1 << 27, free: 1 << 26 };
    for answer in [Ok(uses), Err(UsageFailure::NotAMachine)] {
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.usage().await }
        });
        let Some(Request::Usage { id }) = agent.receive() else { panic!("not asked") };
        agent.send(&Response::Used { id, usage: answer });
        match (asking.await.unwrap(), answer) {
            (Ok(told), Ok(uses)) => assert_eq!(told, uses),
            (Err(UsageError::Refused(why)), Err(failure)) => assert_eq!(why, failure),
            (told, answer) => panic!("{answer:?} was told as {told:?}"),
        }
    }
}

/// A process whose streams are relayed, and what the relay has of them: input, output, error.
async fn relayed(agent: &mut FakeAgent, client: &Client) -> (Spawned, [OwnedFd; 3]) {
    let (process, ends) = started(agent, client, Stdin::Pipe).await;
    (process, ends.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_output_that_comes_after_the_end_is_not_lost() {
    let (mut agent, client) = FakeAgent::connect(RELAYED).await;
    let (mut process, [_input, output, _error]) = relayed(&mut agent, &client).await;
    agent.send(&Response::Ended { id: process.id, status: ExitStatus::Exited(3) });
    assert_eq!(process.ended.await, Ok(ExitStatus::Exited(3)));
    let mut text = String::new();
    let mut reading = Box::pin(process.stdout.read_to_string(&mut text));
    assert!(is_pending(&mut reading), "ended before its pipe did");
    File::from(output).write_all(b"late").unwrap();
    reading.await.unwrap();
    assert_eq!(text, "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_input_breaks_when_its_pipe_does_and_not_before() {
    let (mut agent, client) = FakeAgent::connect(RELAYED).await;
    let (mut process, [relay, _output, _error]) = relayed(&mut agent, &client).await;
    agent.send(&Response::Ended { id: process.id, status: ExitStatus::Exited(0) });
    process.ended.await.unwrap();
    let mut input = process.stdin.take().unwrap();
    let bytes = vec![0; 64 * 1024 * 1024];
    let mut writing = Box::pin(input.write_all(&bytes));
    assert!(is_pending(&mut writing), "broke before its pipe did");
    drop(relay);
    assert_eq!(writing.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}
