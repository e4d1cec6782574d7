//! What the client sends, to an agent that may not read it.

use mimobox_agent_client::{Command, Disconnect, SpawnError, SpawnFailure, Stdin};
use mimobox_protocol::{MAX_FRAME, Request, Response};

use crate::fake_agent::{FakeAgent, PATIENT, command, is_pending, spawning, started};

#[tokio::test(flavor = "multi_thread")]
async fn frames_beyond_the_sockets_room_arrive_whole_with_their_descriptors() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let mut waiting = Vec::new();
    for number in 0..20_u8 {
        let argument = char::from(b'a' + number).to_string().repeat(MAX_FRAME * 3 / 4);
        let long = Command { arguments: vec![argument], ..command() };
        let mut spawning = Box::pin(client.spawn(long, Stdin::Null));
        assert!(is_pending(&mut spawning));
        waiting.push(spawning);
    }
    for number in 0..20_u8 {
        let request: Request = agent.receive().unwrap();
        let Request::Spawn { id, command, .. } = &request else { panic!("{request:?}") };
        let argument = &command.arguments[0];
        assert_eq!(argument.len(), MAX_FRAME * 3 / 4);
        assert!(argument.bytes().all(|byte| byte == b'a' + number), "frame {number} is torn");
        assert_eq!(agent.take_descriptors(2).len(), 2);
        agent.send(&Response::Refused { id: *id, failure: SpawnFailure::NotFound });
    }
    assert_eq!(agent.spare_descriptors(), 0);
    for spawning in waiting {
        let refused = spawning.await;
        assert!(matches!(refused, Err(SpawnError::Refused(SpawnFailure::NotFound))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_in_mid_frame_does_not_tear_it() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let long = Command { arguments: vec!["x".repeat(MAX_FRAME * 3 / 4)], ..command() };
    for _ in 0..10 {
        let mut spawning = Box::pin(client.spawn(long.clone(), Stdin::Null));
        assert!(is_pending(&mut spawning));
    }
    for _ in 0..10 {
        let request: Request = agent.receive().unwrap();
        let Request::Spawn { id, command, .. } = request else { panic!("{request:?}") };
        assert_eq!(command, long);
        agent.send(&Response::Refused { id, failure: SpawnFailure::NotFound });
    }
    agent.take_descriptors(20);
    started(&mut agent, &client, Stdin::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_sent_than_an_agent_may_owe_answers_to() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let waiting: Vec<_> = (0..65).map(|_| spawning(&client, Stdin::Null)).collect();
    let ids: Vec<_> = (0..64).map(|_| agent.receive_spawn().0).collect();
    assert!(agent.hears_nothing());
    agent.send(&Response::Refused { id: ids[0], failure: SpawnFailure::LimitReached });
    agent.receive_spawn();
    client.close();
    for spawning in waiting {
        assert!(spawning.await.unwrap().is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fits_no_frame_is_too_long_and_never_sent() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let long = Command { arguments: vec!["x".repeat(MAX_FRAME)], ..command() };
    // More often than requests may be unanswered: none of these is.
    for _ in 0..100 {
        let refused = client.spawn(long.clone(), Stdin::Null).await;
        assert!(matches!(refused, Err(SpawnError::Refused(SpawnFailure::ArgumentsTooLong))), "{refused:?}");
    }
    assert!(agent.hears_nothing());
    started(&mut agent, &client, Stdin::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_sees_a_closed_client_leave() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    client.close();
    assert_eq!(agent.receive::<Request>(), None);
    assert_eq!(client.closed().await, Disconnect::Host);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_sees_the_last_client_leave_though_streams_are_left() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let (process, _streams) = started(&mut agent, &client, Stdin::Pipe).await;
    drop(client);
    assert_eq!(agent.receive::<Request>(), None);
    drop(process);
}

#[test]
fn the_agent_sees_the_runtime_leave() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut agent, client) = runtime.block_on(FakeAgent::connect(PATIENT));
    drop(runtime);
    assert_eq!(agent.receive::<Request>(), None);
    drop(client);
}
