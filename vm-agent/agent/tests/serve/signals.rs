//! Signals from the host.

use mimobox_agent_client::{ExitStatus, Signal, SignalError, SignalFailure, Stdin};

use crate::harness::{Agent, command, exists, line, script};

#[tokio::test]
async fn a_signal_reaches_the_whole_group() {
    let (_agent, client) = Agent::connect().await;
    let group = script("(trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.01; done) & wait");
    let mut process = client.spawn(group, Stdin::Null).await.unwrap();
    assert_eq!(line(&mut process).await, "ready");
    client.signal(process.id, Signal::Terminate).await.unwrap();
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Signaled(15));
}

#[tokio::test]
async fn each_signal_has_its_number() {
    let (_agent, client) = Agent::connect().await;
    for (signal, number) in [
        (Signal::HangUp, 1),
        (Signal::Interrupt, 2),
        (Signal::Quit, 3),
        (Signal::Kill, 9),
        (Signal::User1, 10),
        (Signal::User2, 12),
        (Signal::Terminate, 15),
    ] {
        let process = client.spawn(command("sleep", &["1000"]), Stdin::Null).await.unwrap();
        client.signal(process.id, signal).await.unwrap();
        assert_eq!(process.ended.await.unwrap(), ExitStatus::Signaled(number));
    }
}

#[tokio::test]
async fn a_group_that_ignores_every_other_signal_is_killed() {
    let (_agent, client) = Agent::connect().await;
    let stubborn = script("trap '' TERM HUP INT; (trap '' TERM; echo $$; sleep 1000) & echo $!; wait; wait");
    let mut process = client.spawn(stubborn, Stdin::Null).await.unwrap();
    let pids = [line(&mut process).await, line(&mut process).await];
    client.signal(process.id, Signal::Terminate).await.unwrap();
    assert!(pids.iter().all(|pid| exists(pid)));
    client.kill(process.id).await.unwrap();
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Signaled(9));
    assert!(!pids.iter().any(|pid| exists(pid)));
}

#[tokio::test]
async fn a_process_that_has_ended_or_never_was_is_not_found() {
    let (_agent, client) = Agent::connect().await;
    let process = client.spawn(command("true", &[]), Stdin::Null).await.unwrap();
    process.ended.await.unwrap();
    for id in [process.id, 4_000_000_000] {
        let refused = client.kill(id).await;
        assert!(matches!(refused, Err(SignalError::Refused(SignalFailure::NotFound))), "{refused:?}");
    }
}
