//! Whatever an agent says, the client takes it or leaves it, and never waits for more than it was told to.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mimobox_agent_client::{Client, Options, Stdin, Streams};

use crate::fake_agent::{FakeAgent, command};
use crate::machines::set_up;

const ROUNDS: usize = 2000;

/// Marsaglia's xorshift: the same numbers in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// What the wire format's own tests are made of.
fn corpus(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/protocol_decode");
    fs::read(folder.join(name)).unwrap()
}

fn change(bytes: &mut Vec<u8>, random: &mut Xorshift) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 if at > 0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            _ => bytes[at] ^= u8::try_from(1 + random.below(255)).unwrap(),
        }
    }
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
    let mut random = Xorshift(0x5DEE_CE66_D1CE_4E5B);
    for _ in 0..ROUNDS {
        let answers = [done.clone(), corpus("hello"), corpus("responses")];
        let mut changed = answers.to_vec();
        let which = random.below(changed.len());
        change(&mut changed[which], &mut random);
        meet(&changed.concat()).await;
    }
}
