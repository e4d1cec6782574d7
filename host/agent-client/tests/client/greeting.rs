//! The first frame.

use std::time::Duration;

use mimobox_agent_client::{Client, ConnectError, Disconnect, Options};
use mimobox_protocol::{DecodeError, Hello, HelloError, encode};

use crate::fake_agent::{FakeAgent, PATIENT};

const IMPATIENT: Options = Options { answer_timeout: Duration::from_millis(50), ..PATIENT };

#[tokio::test]
async fn an_agent_that_says_nothing_is_not_waited_for() {
    let (_agent, stream) = FakeAgent::new();
    let refused = Client::connect(stream, IMPATIENT).await;
    assert!(matches!(refused, Err(ConnectError::TimedOut)), "{refused:?}");
}

#[tokio::test]
async fn half_a_hello_is_none() {
    let hello = encode(&Hello::OURS).unwrap();
    let (mut agent, stream) = FakeAgent::new();
    agent.send_bytes(&hello[..hello.len() - 1]);
    let refused = Client::connect(stream, IMPATIENT).await;
    assert!(matches!(refused, Err(ConnectError::TimedOut)), "{refused:?}");
}

#[tokio::test]
async fn an_agent_that_closes_at_once_is_reported() {
    for greeting in [&b""[..], &encode(&Hello::OURS).unwrap()[..3]] {
        let refused = FakeAgent::greet_with(greeting).await;
        assert!(matches!(refused, Err(ConnectError::Disconnected(Disconnect::Agent))), "{refused:?}");
    }
}

#[tokio::test]
async fn another_version_is_named() {
    let refused = FakeAgent::greet_with(b"\x05\0\0\0mimo\x07").await;
    let Err(ConnectError::Hello(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error, HelloError::OtherVersion { theirs: 7 });
}

#[tokio::test]
async fn something_else_is_no_agent() {
    let refused = FakeAgent::greet_with(b"\x05\0\0\0HTTP/").await;
    assert!(matches!(refused, Err(ConnectError::Hello(HelloError::NotThisProtocol))), "{refused:?}");
    let refused = FakeAgent::greet_with(b"HTTP/1.1 200 OK\r\n").await;
    let Err(ConnectError::Disconnected(Disconnect::Frame(error))) = refused else { panic!("{refused:?}") };
    assert_eq!(error, DecodeError::TooLong { announced: u32::from_le_bytes(*b"HTTP") });
}
