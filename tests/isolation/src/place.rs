//! The places in which an attempt is made.

use std::process::Command;

use mimobox_confine::Plan;

use crate::attempt::{Attempt, Outcome, programs};
use crate::confined::{Conditions, Confined};
use crate::entered::{Namespace, enter};

/// Where an attempt is made. Each is made anew for each attempt.
#[derive(Clone, Debug)]
pub enum Place {
    /// A sandbox.
    Sandbox(Conditions),
    /// A process of the host's root that has entered all namespaces of a sandbox but these. In those that it has entered it
    /// has every right; no filter, no Landlock and no `no_new_privs` is on it.
    Entered(&'static [Namespace]),
    /// A process of the host: of root, or of a user and group with no rights.
    Host(User),
    /// A process of the host's root on a terminal of its own.
    HostTerminal,
}

/// As whom a process of the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// User 0.
    Root,
    /// User 65534.
    Nobody,
}

impl Place {
    /// A sandbox as everybody gets it.
    pub fn sandbox() -> Self {
        Self::Sandbox(Conditions::default())
    }

    /// A sandbox whose plan was changed.
    pub fn weakened(change: fn(&mut Plan)) -> Self {
        Self::Sandbox(Conditions { change, ..Conditions::default() })
    }

    /// All of a sandbox's namespaces, with every right in them.
    pub fn all_namespaces() -> Self {
        Self::Entered(&[])
    }

    /// A process of the host's root.
    pub fn host() -> Self {
        Self::Host(User::Root)
    }

    /// A process of the host's that has no rights.
    pub fn host_as_nobody() -> Self {
        Self::Host(User::Nobody)
    }

    /// Makes the attempt here.
    ///
    /// # Panics
    /// The place cannot be made here, or the program is broken.
    pub fn attempt(&self, attempt: &Attempt) -> Outcome {
        match self {
            Self::Sandbox(conditions) => Confined::with(conditions).unwrap().attempt(attempt),
            Self::Entered(without) => enter(&Confined::start().unwrap(), without, attempt),
            Self::Host(user) => on_the_host(*user, attempt),
            Self::HostTerminal => on_a_terminal(attempt),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "what a sandbox would keep it from, it does on the host")]
fn on_the_host(user: User, attempt: &Attempt) -> Outcome {
    let programs = programs();
    let words = attempt.command_line(programs.path());
    let output = match user {
        User::Root => Command::new("env").args(words).output().unwrap(),
        User::Nobody => {
            let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
            Command::new("setpriv").args(nobody).args(words).output().unwrap()
        }
    };
    attempt.outcome_of(&output)
}

#[allow(clippy::disallowed_methods, reason = "what a sandbox would keep it from, it does on the host")]
fn on_a_terminal(attempt: &Attempt) -> Outcome {
    let programs = programs();
    let words: Vec<_> =
        attempt.command_line(programs.path()).into_iter().map(|word| word.into_string().unwrap()).collect();
    let output = Command::new("script").args(["-qec", &words.join(" "), "/dev/null"]).output().unwrap();
    attempt.outcome_of(&output)
}
