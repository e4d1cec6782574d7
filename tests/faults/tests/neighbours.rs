//! Several hosts on one machine, of one user and of two: none is disturbed by another, nor by its end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts hosts as their users do")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};

use mimobox_faults::{alone, block_on};
use mimobox_harness::{Leftovers, OsHost, Requirement, agent, met, program};
use mimobox_sandbox::{Command, ExitStatus, Sandbox, Spec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Nobody in particular, with nothing set aside.
const ORDINARY: u32 = 65534;

/// Whose host.
#[derive(Clone, Copy, Debug, PartialEq)]
enum User {
    Root,
    Ordinary,
}

/// A host with one sandbox, in which a shell does what it is told, line by line.
struct Host {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _home: TempDir,
}

impl Host {
    fn start(user: User) -> Self {
        let home = tempfile::tempdir().unwrap();
        // A folder that this user can get to: the programs of the build may lie in one that she cannot.
        for (name, path) in [("mimobox-host", program("mimobox-host")), ("mimobox-agent", agent())] {
            fs::copy(path, home.path().join(name)).unwrap();
            fs::set_permissions(home.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let host = home.path().join("mimobox-host");
        let mut command = match user {
            User::Root => Program::new(&host),
            User::Ordinary => {
                chown(home.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
                let id = ORDINARY.to_string();
                let mut command = Program::new("setpriv");
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&host);
                command
            }
        };
        // What no control group holds for her must be let go by name.
        fs::write(home.path().join("mimobox.toml"), "tolerate = [\"cpu-limit\"]\n").unwrap();
        let mut process = command
            .args(["--config", "mimobox.toml", "exec", "--", "sh"])
            .current_dir(home.path())
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        let mut host = Self { process, input, output, _home: home };
        let first_user = host.ask("head -n 1 /proc/self/uid_map | tr -s ' ' ' ' | cut -d ' ' -f 3");
        assert_eq!(first_user == ORDINARY.to_string(), user == User::Ordinary, "{first_user}");
        host
    }

    /// The line that comes of a line.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn kill(mut self) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), Signal::SIGKILL).unwrap();
        self.process.wait().unwrap();
    }

    fn end(mut self) {
        drop(self.input.take());
        assert!(self.process.wait().unwrap().success());
    }
}

fn assert_undisturbed(mut hosts: [Host; 3]) {
    // A file of its own, and no process of another's.
    for (host, name) in hosts.iter_mut().zip(["one", "two", "three"]) {
        assert_eq!(host.ask(&format!("echo {name} > /tmp/name && cat /tmp/name")), name);
        assert_eq!(host.ask("ls /tmp"), "name");
        assert_eq!(host.ask("kill -KILL -1 2>/dev/null; echo survived"), "survived");
    }
    let [first, mut second, mut third] = hosts;
    first.kill();
    assert_eq!(second.ask("cat /tmp/name"), "two");
    assert_eq!(third.ask("cat /tmp/name"), "three");
    second.end();
    assert_eq!(third.ask("sleep 0.1 & wait && cat /tmp/name"), "three");
    third.end();
}

#[test]
fn three_hosts_of_one_user_do_not_disturb_each_other() {
    let _alone = alone();
    if !met(Requirement::Root) {
        return;
    }
    let before = Leftovers::count();
    assert_undisturbed([User::Root, User::Root, User::Root].map(Host::start));
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn hosts_of_root_and_of_an_ordinary_user_do_not_disturb_each_other() {
    let _alone = alone();
    if !met(Requirement::Root) {
        return;
    }
    let before = Leftovers::count();
    assert_undisturbed([User::Root, User::Ordinary, User::Root].map(Host::start));
    assert_undisturbed([User::Ordinary, User::Root, User::Ordinary].map(Host::start));
    Leftovers::assert_nothing_since(&before);
}

/// The host's number of the sandbox's first user.
async fn first_user(sandbox: &Sandbox) -> String {
    let map = Command::new("cat").arguments(["/proc/self/uid_map"]);
    let shown = sandbox.execute(map, vec![]).await.unwrap();
    String::from_utf8(shown.stdout).unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn two_hosts_of_one_process_do_not_disturb_each_other() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(first) = OsHost::start() else { return };
        let second = OsHost::start().unwrap();
        let (run, other) = (first.run(), second.run());
        let mut users = BTreeSet::new();
        let mut sandboxes = Vec::new();
        for _ in 0..8 {
            for run in [&run, &other] {
                let sandbox = run.create(Spec::default()).await.unwrap();
                users.insert(first_user(&sandbox).await);
                sandboxes.push(sandbox);
            }
        }
        assert_eq!(users.len(), sandboxes.len());
        run.end().await.unwrap();
        drop(first);
        for sandbox in sandboxes.iter().skip(1).step_by(2) {
            let end = sandbox.execute(Command::new("true"), vec![]).await.unwrap();
            assert_eq!(end.status, ExitStatus::Exited(0));
        }
        other.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}
