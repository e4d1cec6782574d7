//! What the agent answers, and what it must not.

use std::io::Read as _;
use std::time::Duration;

use mimobox_agent_client::{
    ClientError, Disconnect, ExitStatus, Options, Signal, SignalError, SignalFailure, SpawnError,
    SpawnFailure, Stdin,
};
use mimobox_protocol::{Request, Response};

use crate::fake_agent::{FakeAgent, PATIENT, command, is_pending, spawning, started};

const STATUS: ExitStatus = ExitStatus::Exited(0);

#[tokio::test(flavor = "multi_thread")]
async fn answers_find_who_asked_in_whatever_order_they_come() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let first = spawning(&client, Stdin::Null);
    let (first_id, _) = agent.receive_spawn();
    let second = spawning(&client, Stdin::Null);
    let (second_id, _) = agent.receive_spawn();
    agent.send(&Response::Refused { id: second_id, failure: SpawnFailure::NotFound });
    agent.send(&Response::Started { id: first_id });
    let refused = second.await.unwrap();
    assert!(matches!(refused, Err(SpawnError::Refused(SpawnFailure::NotFound))), "{refused:?}");
    let process = first.await.unwrap().unwrap();
    assert_eq!(process.id, first_id);
    agent.send(&Response::Ended { id: first_id, status: ExitStatus::Signaled(9) });
    let other = process.ended.clone();
    assert_eq!(process.ended.await, Ok(ExitStatus::Signaled(9)));
    assert_eq!(other.await, Ok(ExitStatus::Signaled(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_is_not_delivered_says_why() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let other = client.clone();
    let signalling = tokio::spawn(async move { other.signal(7, Signal::User1).await });
    let Some(Request::Signal { id, process: 7, signal: Signal::User1 }) = agent.receive() else {
        panic!("not the signal")
    };
    agent.send(&Response::Signalled { id, delivered: Err(SignalFailure::NotFound) });
    let refused = signalling.await.unwrap();
    assert!(matches!(refused, Err(SignalError::Refused(SignalFailure::NotFound))), "{refused:?}");
}

/// Sends bytes to a client that has a process, a spawn and a signal under way; the connection must close for
/// this reason, and nobody be left waiting.
async fn closes(bytes: &[u8]) -> Disconnect {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (process, _streams) = started(&mut agent, &client, Stdin::Null).await;
    let spawning = spawning(&client, Stdin::Null);
    agent.receive_spawn();
    let other = client.clone();
    let signalling = tokio::spawn(async move { other.kill(0).await });
    agent.receive::<Request>();

    agent.send_bytes(bytes);
    let why = client.closed().await;
    assert_eq!(process.ended.await, Err(ClientError::Gone));
    let spawned = spawning.await.unwrap();
    assert!(matches!(spawned, Err(SpawnError::Client(ClientError::Gone))), "{spawned:?}");
    let signalled = signalling.await.unwrap();
    assert!(matches!(signalled, Err(SignalError::Client(ClientError::Gone))), "{signalled:?}");
    let later = client.spawn(command(), Stdin::Null).await;
    assert!(matches!(later, Err(SpawnError::Client(ClientError::Gone))), "{later:?}");
    assert_eq!(agent.receive::<Request>(), None);
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_closes_the_connection() {
    for bytes in [
        &b"\xff\xff\xff\xff"[..],
        b"\x01\x00\x04\x00",
        b"\x00\x00\x00\x00",
        b"\x01\x00\x00\x00\x7f",
        b"\x03\x00\x00\x00\x00\x01\x00",
        b"\x02\x00\x00\x00\x00\x80",
    ] {
        let why = closes(bytes).await;
        assert!(matches!(why, Disconnect::Frame(_)), "{bytes:?}: {why:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nothing_asked_for_closes_the_connection() {
    // Number 0 is the process, 1 the spawn and 2 the signal of `closes`; 3 is nothing.
    let failure = SpawnFailure::NotFound;
    for response in [
        Response::Started { id: 0 },
        Response::Started { id: 2 },
        Response::Started { id: 3 },
        Response::Refused { id: 0, failure },
        Response::Refused { id: 2, failure },
        Response::Refused { id: u32::MAX, failure },
        Response::Ended { id: 1, status: STATUS },
        Response::Ended { id: 2, status: STATUS },
        Response::Ended { id: 3, status: STATUS },
        Response::Signalled { id: 0, delivered: Ok(()) },
        Response::Signalled { id: 1, delivered: Ok(()) },
        Response::Signalled { id: 3, delivered: Ok(()) },
        Response::Used { id: 0, usage: Err(mimobox_protocol::UsageFailure::NotAMachine) },
        Response::Used { id: 2, usage: Err(mimobox_protocol::UsageFailure::NotAMachine) },
    ] {
        let (Response::Started { id }
        | Response::Refused { id, .. }
        | Response::Ended { id, .. }
        | Response::Signalled { id, .. }
        | Response::Resized { id, .. }
        | Response::Used { id, .. }) = response;
        let why = closes(&mimobox_protocol::encode(&response).unwrap()).await;
        assert_eq!(why, Disconnect::UnexpectedAnswer { id }, "{response:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_given_twice_closes_the_connection() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (process, _streams) = started(&mut agent, &client, Stdin::Null).await;
    let ended = Response::Ended { id: process.id, status: STATUS };
    agent.send(&ended);
    agent.send(&ended);
    assert_eq!(process.ended.await, Ok(STATUS));
    assert_eq!(client.closed().await, Disconnect::UnexpectedAnswer { id: process.id });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_closes_in_mid_frame_is_gone() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    agent.send_bytes(b"\x02\x00");
    drop(agent);
    assert_eq!(client.closed().await, Disconnect::Agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_from_the_agent_is_refused_and_never_kept() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (process, _streams) = started(&mut agent, &client, Stdin::Null).await;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    agent.send_with_descriptor(&Response::Ended { id: process.id, status: STATUS }, write);
    assert_eq!(client.closed().await, Disconnect::Descriptors);
    assert_eq!(process.ended.await, Err(ClientError::Gone));
    // There is no writer any more, here or anywhere.
    assert_eq!(std::fs::File::from(read).read(&mut [0]).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_never_answers_is_unresponsive() {
    let impatient = Options { answer_timeout: Duration::from_millis(50), ..PATIENT };
    let (mut agent, client) = FakeAgent::connect(impatient).await;
    let spawned = client.spawn(command(), Stdin::Null).await;
    assert!(matches!(spawned, Err(SpawnError::Client(ClientError::Unresponsive))), "{spawned:?}");
    let signalled = client.kill(1).await;
    assert!(matches!(signalled, Err(SignalError::Client(ClientError::Unresponsive))), "{signalled:?}");
    // What it starts after all is killed.
    let (id, _) = agent.receive_spawn();
    assert!(matches!(agent.receive(), Some(Request::Signal { process: 1, .. })));
    agent.send(&Response::Started { id });
    let killed = agent.receive();
    assert!(
        matches!(killed, Some(Request::Signal { process, signal: Signal::Kill, .. }) if process == id),
        "{killed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_that_is_dropped_before_its_answer_is_killed_when_it_starts() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let spawning = spawning(&client, Stdin::Null);
    let (id, _) = agent.receive_spawn();
    spawning.abort();
    assert!(spawning.await.unwrap_err().is_cancelled());
    agent.send(&Response::Started { id });
    let Some(Request::Signal { id: kill, process, signal: Signal::Kill }) = agent.receive() else {
        panic!("not killed")
    };
    assert_eq!(process, id);
    // The answers to what nobody asked are taken, and the client is as before.
    agent.send(&Response::Signalled { id: kill, delivered: Ok(()) });
    agent.send(&Response::Ended { id, status: STATUS });
    started(&mut agent, &client, Stdin::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_that_is_dropped_with_its_answer_untaken_is_killed() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let mut spawning = Box::pin(client.spawn(command(), Stdin::Null));
    assert!(is_pending(&mut spawning));
    let (id, _) = agent.receive_spawn();
    agent.send(&Response::Started { id });
    // Answers are taken in order, so after this one the one before is.
    started(&mut agent, &client, Stdin::Null).await;
    drop(spawning);
    let killed = agent.receive();
    assert!(
        matches!(killed, Some(Request::Signal { process, signal: Signal::Kill, .. }) if process == id),
        "{killed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_what_was_spawned_kills_nothing() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    drop(started(&mut agent, &client, Stdin::Pipe).await);
    assert!(agent.hears_nothing());
}
