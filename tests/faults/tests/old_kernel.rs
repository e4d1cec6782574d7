//! A kernel that lacks a mechanism: the sandbox is refused or the report says so, and never is one quietly weaker.
//!
//! Each case runs in a process of its own, under a filter that answers a system call as an older kernel would (`ENOSYS`), or
//! without the machine's cgroups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts itself anew, as an older kernel would have it")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt;
use std::process::Command as Program;

use mimobox_backend_os::Mechanism;
use mimobox_harness::{OsHost, Requirement, met};
use mimobox_sandbox::{Command, ExitStatus, Spec};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use syscalls::Sysno;

/// Names the system calls that the process is to be without.
const WITHOUT: &str = "MIMOBOX_TEST_WITHOUT";
/// Names the mechanisms that the operator lets go missing.
const TOLERATED: &str = "MIMOBOX_TEST_TOLERATED";
/// Before each line of what the process found.
const FOUND: &str = "found: ";

/// A machine that is not whole.
#[derive(Clone, Copy, Debug, Default)]
struct Machine {
    without: &'static [Sysno],
    without_cgroups: bool,
    tolerated: &'static [Mechanism],
}

/// What must come of it.
#[derive(Clone, Copy)]
enum Expected {
    /// No sandbox.
    Refused,
    /// As before: what stands in for the call is as strong, for this reason.
    AsStrong(&'static str),
    /// A sandbox, and a report that differs in these mechanisms alone, which it calls absent.
    Absent(&'static [Mechanism]),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => write!(f, "a refusal"),
            Self::AsStrong(why) => write!(f, "a sandbox that is as strong, since {why}"),
            Self::Absent(mechanisms) => write!(f, "a sandbox without {mechanisms:?}"),
        }
    }
}

/// System calls, one at a time, and what comes of a kernel that has not got them.
const CALLS: &[(&[Sysno], Expected)] = &[
    // What the host makes a sandbox with.
    (&[Sysno::memfd_create], Expected::Refused),
    (&[Sysno::clone3], Expected::Refused),
    (&[Sysno::execveat], Expected::Refused),
    (&[Sysno::socketpair], Expected::Refused),
    (&[Sysno::pidfd_send_signal], Expected::Refused),
    (&[Sysno::waitid], Expected::Refused),
    (&[Sysno::pidfd_open], Expected::AsStrong("clone3 gives the descriptor of the process")),
    // What the agent closes itself in with.
    (&[Sysno::unshare], Expected::Refused),
    (&[Sysno::mount], Expected::Refused),
    (&[Sysno::open_tree], Expected::Refused),
    (&[Sysno::move_mount], Expected::Refused),
    (&[Sysno::mount_setattr], Expected::Refused),
    (&[Sysno::pivot_root], Expected::Refused),
    (&[Sysno::umount2], Expected::Refused),
    (&[Sysno::sethostname], Expected::Refused),
    (&[Sysno::setrlimit, Sysno::prlimit64], Expected::Refused),
    (&[Sysno::setrlimit], Expected::AsStrong("prlimit64 sets them")),
    (&[Sysno::prctl], Expected::Refused),
    (&[Sysno::capset], Expected::Refused),
    (&[Sysno::landlock_create_ruleset], Expected::Refused),
    (&[Sysno::landlock_add_rule], Expected::Refused),
    (&[Sysno::landlock_restrict_self], Expected::Refused),
    (&[Sysno::seccomp], Expected::Refused),
    (&[Sysno::openat2], Expected::AsStrong("the host's image has no path that a stranger had a hand in")),
    // What the agent starts a command with.
    (&[Sysno::signalfd4], Expected::Refused),
    (&[Sysno::close_range], Expected::Refused),
    (&[Sysno::setresuid], Expected::Refused),
    (&[Sysno::setresgid], Expected::Refused),
    (&[Sysno::setgroups], Expected::Refused),
    (&[Sysno::setsid], Expected::Refused),
];

#[test]
fn a_system_call_that_the_kernel_lacks_is_never_quietly_done_without() {
    if !met(Requirement::Root) {
        return;
    }
    let machines =
        CALLS.iter().map(|(without, expected)| (Machine { without, ..Machine::default() }, *expected));
    assert_come_of(machines);
}

#[test]
fn what_is_missing_is_refused_unless_it_is_tolerated_and_then_reported() {
    use Mechanism::{CpuLimit, Freezer, Landlock, MemoryLimit, ProcessesLimit};
    if !met(Requirement::Root) {
        return;
    }
    let landlock = Machine { without: &[Sysno::landlock_create_ruleset], ..Machine::default() };
    let cgroups = Machine { without_cgroups: true, ..Machine::default() };
    let tolerating = |machine, tolerated| Machine { tolerated, ..machine };
    assert_come_of([
        (tolerating(landlock, &[Landlock]), Expected::Absent(&[Landlock])),
        (tolerating(landlock, &[Mechanism::Seccomp]), Expected::Refused),
        // A kernel that has it and does not let it be used is no kernel without it.
        (
            Machine {
                without: &[Sysno::landlock_restrict_self],
                tolerated: &[Landlock],
                ..Machine::default()
            },
            Expected::Refused,
        ),
        (
            Machine { without: &[Sysno::seccomp], tolerated: &Mechanism::ALL, ..Machine::default() },
            Expected::Refused,
        ),
        (cgroups, Expected::Refused),
        (tolerating(cgroups, &[MemoryLimit]), Expected::Refused),
        (
            tolerating(cgroups, &[MemoryLimit, ProcessesLimit, CpuLimit]),
            Expected::Absent(&[MemoryLimit, ProcessesLimit, CpuLimit, Freezer]),
        ),
        // What is tolerated and there is in force all the same.
        (tolerating(Machine::default(), &Mechanism::ALL), Expected::AsStrong("nothing is missing")),
    ]);
}

fn assert_come_of(machines: impl IntoIterator<Item = (Machine, Expected)>) {
    // Under a filter too, so that it is what the filter answers that makes the difference.
    let whole = Machine { without: &[Sysno::acct], ..Machine::default() }.found();
    assert!(whole.get("seccomp").is_some_and(|status| status == "enforced"), "{whole:?}");
    let wrong: Vec<_> = machines
        .into_iter()
        .filter_map(|(machine, expected)| {
            let found = machine.found();
            let right = match expected {
                Expected::Refused => found.len() == 1 && found.contains_key("refused"),
                Expected::AsStrong(_) => found == whole,
                Expected::Absent(mechanisms) => {
                    let mut weaker = whole.clone();
                    weaker
                        .extend(mechanisms.iter().map(|missing| (missing.to_string(), "absent".to_owned())));
                    found == weaker
                }
            };
            (!right).then(|| format!("{machine:?}: expected {expected}, found {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a process found: how a sandbox was refused, or each mechanism and its status.
type Found = BTreeMap<String, String>;

impl Machine {
    /// What a process finds on it.
    fn found(self) -> Found {
        let mut program = if self.without_cgroups {
            let mut program = Program::new("unshare");
            program.args([
                "--mount",
                "sh",
                "-c",
                r#"umount --lazy --all --types cgroup,cgroup2 && exec "$0" "$@""#,
            ]);
            program.arg(env::current_exe().unwrap());
            program
        } else {
            Program::new(env::current_exe().unwrap())
        };
        let without: Vec<_> = self.without.iter().map(Sysno::name).collect();
        let tolerated: Vec<_> = self.tolerated.iter().map(|mechanism| mechanism.name()).collect();
        let output = program
            .args(["--exact", "on_such_a_machine", "--nocapture"])
            .env(WITHOUT, without.join(","))
            .env(TOLERATED, tolerated.join(","))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let found: Found = said
            .lines()
            .filter_map(|line| line.split_once(FOUND)?.1.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !found.is_empty(), "{self:?}:\n{said}\n{why}");
        found
    }
}

/// Not a test by itself: what [`Machine::found`] starts.
#[test]
fn on_such_a_machine() {
    let (Ok(without), Ok(tolerated)) = (env::var(WITHOUT), env::var(TOLERATED)) else { return };
    // What this test itself needs is there already.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    forbid(named(&without).map(|name| name.parse().unwrap()).collect());
    let tolerated = named(&tolerated)
        .map(|name| Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name).unwrap())
        .collect();
    runtime.block_on(async {
        match sandboxed(tolerated).await {
            Ok(found) => found.iter().for_each(|(name, status)| println!("{FOUND}{name}={status}")),
            Err(refused) => println!("{FOUND}refused={refused}"),
        }
    });
}

fn named(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|name| !name.is_empty())
}

/// Makes a sandbox and uses it.
async fn sandboxed(tolerated: BTreeSet<Mechanism>) -> Result<Found, String> {
    let host = OsHost::try_start(|config| config.tolerated = tolerated, |_| {});
    let host = host.map_err(|error| error.to_string())?;
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.map_err(|error| error.code().to_owned())?;
    let finished =
        sandbox.execute(Command::new("true"), vec![]).await.map_err(|error| error.code().to_owned())?;
    assert_eq!(finished.status, ExitStatus::Exited(0));
    let lines =
        sandbox.enforcement().iter().map(|line| (line.mechanism.to_string(), line.status.to_string()));
    let found = lines.collect();
    run.end().await.map_err(|error| error.code().to_owned())?;
    Ok(found)
}

/// Answers these with `ENOSYS`, in this thread and all that it starts.
fn forbid(calls: Vec<Sysno>) {
    if calls.is_empty() {
        return;
    }
    let rules = calls.into_iter().map(|call| (i64::from(call.id()), vec![])).collect();
    let missing = SeccompAction::Errno(nix::libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}
