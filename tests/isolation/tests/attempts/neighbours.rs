//! Two sandboxes side by side: neither sees what is the other's. The control is the attempt in the sandbox whose it is.

use mimobox_isolation_tests::{Attempt, Conditions, Confined};
use mimobox_sandbox::{Command, Process, Sandbox};
use tokio::io::AsyncReadExt;

/// What is attacked is in the first sandbox, and the attempt is made in the second: then in the first itself.
struct Pair {
    own: Confined,
    other: Sandbox,
}

impl Pair {
    fn start() -> Option<Self> {
        let own = Confined::start()?;
        let other = own.neighbour(&Conditions::default());
        Some(Self { own, other })
    }

    fn works_only_in_its_own(&self, attempt: &Attempt) {
        attempt.must_be_stopped(&self.own.attempt_in(&self.other, attempt));
        attempt.must_get_out(&self.own.attempt(attempt));
    }

    /// Starts something in the first that stays.
    fn spawn(&self, program: &str, arguments: &[&str]) -> Process {
        let command = Command::new(program).arguments(arguments.iter().copied());
        self.own.wait(self.own.sandbox().spawn(command, false)).unwrap()
    }

    /// A program in the first that listens by now.
    fn serve(&self, kind: &str, address: &str) -> Process {
        let server =
            self.spawn("/usr/bin/python3", &["-BSE", "/attempts/neighbours.py", "serve", kind, address]);
        let mut stdout = server.take_stdout().unwrap();
        let mut line = [0; "listening\n".len()];
        self.own.wait(stdout.read_exact(&mut line)).unwrap();
        server
    }
}

#[test]
fn files_of_another_sandbox_cannot_be_read() {
    let Some(pair) = Pair::start() else { return };
    for folder in ["/tmp", "/dev/shm", "/home/sandbox"] {
        pair.own.said(&format!("echo secret > {folder}/file"));
        pair.works_only_in_its_own(&Attempt::new("neighbours", "read").with(format!("{folder}/file")));
    }
}

#[test]
fn services_of_another_sandbox_cannot_be_reached() {
    let Some(pair) = Pair::start() else { return };
    let _server = pair.serve("inet", "7777");
    pair.works_only_in_its_own(&Attempt::new("network", "connect_to_port").with(7777));
}

#[test]
fn abstract_sockets_of_another_sandbox_cannot_be_reached() {
    let Some(pair) = Pair::start() else { return };
    let _server = pair.serve("unix", "service");
    pair.works_only_in_its_own(&Attempt::new("network", "connect_to_name").with("service"));
}

#[test]
fn message_queues_of_another_sandbox_cannot_be_seen() {
    let Some(pair) = Pair::start() else { return };
    let said = pair.own.said("ipcmk --queue --mode 0666");
    let queue = said.rsplit_once(' ').unwrap().1;
    pair.works_only_in_its_own(&Attempt::new("namespaces", "see_queue").with(queue));
}

#[test]
fn processes_of_another_sandbox_cannot_be_seen() {
    let Some(pair) = Pair::start() else { return };
    let _sleeper = pair.spawn("sleep", &["3601"]);
    pair.works_only_in_its_own(&Attempt::new("neighbours", "find").with("3601"));
}

#[test]
fn processes_of_another_sandbox_cannot_be_ended() {
    let Some(pair) = Pair::start() else { return };
    let sleeper = pair.spawn("sleep", &["3602"]);
    let end = Attempt::new("neighbours", "end_all");
    end.must_be_stopped(&pair.own.attempt_in(&pair.other, &end));
    assert!(!sleeper.has_ended());
    end.must_get_out(&pair.own.attempt(&end));
    pair.own.wait(sleeper.wait()).unwrap();
}
