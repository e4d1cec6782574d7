//! Whatever an agent says, the client takes it or leaves it, and never waits for more than it was told to.

use std::time::Duration;

use mimobox_agent_client::{Client, Options, Stdin, Streams};
use mimobox_mutation::{Xorshift, corpus_file};

use crate::fake_agent::{FakeAgent, command};
use crate::machines::set_up;

const ROUNDS: usize = 2000;

/// What the wire format's own tests are made of.
fn corpus(name: &str) -> Vec<u8> {
    corpus_file("protocol_decode", name)
}

/// Connects to an agent that says these bytes and goes, and starts something if that comes off.
async fn meet(bytes: &[u8]) {
    let options = Options { answer_timeout: Duration::from_secs(600), streams: Streams::Relayed };
    let (mut agent, stream) = FakeAgent::new();
    agent.send_bytes(bytes);
    drop(agent);
    let Ok(client) = Client::connect_machine(stream, &set_up(), options).await else { return };
    let spawned = client.spawn(command(), Stdin::Pipe).await;
    if let Ok(process) = spawned {
        // Its end was said, or nobody is left to say it.
        let _ = process.ended.await;
    }
    let _ = client.usage().await;
    client.closed().await;
}

#[tokio::test]
async fn changed_answers_are_survived() {
    // Set up, greeted, and with luck an answer to the first request.
    let done = mimobox_protocol::encode(&mimobox_protocol::SetUpAnswer::Done).unwrap();
    let mut random = Xorshift::first();
    for _ in 0..ROUNDS {
        let answers = [done.clone(), corpus("hello"), corpus("responses")];
        let mut changed = answers.to_vec();
        let which = random.below(changed.len());
        random.change(&mut changed[which], 3);
        meet(&changed.concat()).await;
    }
}
