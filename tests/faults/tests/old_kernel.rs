//! A kernel that lacks a mechanism: the sandbox is refused or the report says so, and never is one quietly weaker.
//!
//! Each case runs in a process of its own, under a filter that answers a system call as an older kernel would: `ENOSYS`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts itself anew, as an older kernel would have it")]

use std::collections::BTreeMap;
use std::env;
use std::process::Command as Program;

use mimobox_harness::{OsHost, Requirement, met};
use mimobox_sandbox::{Command, ExitStatus, Spec};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use syscalls::Sysno;

/// Names the system calls that the process is to be without.
const WITHOUT: &str = "MIMOBOX_TEST_WITHOUT";
/// Before each line of what the process found.
const FOUND: &str = "found: ";

/// What must come of a kernel without a system call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// No sandbox.
    Refused,
    /// As before: what stands in for it is as strong, for this reason.
    AsStrong(&'static str),
}

const CASES: &[(&[Sysno], Expected)] = &[
    (&[Sysno::clone3], Expected::Refused),
    (&[Sysno::landlock_create_ruleset], Expected::Refused),
    (&[Sysno::landlock_restrict_self], Expected::Refused),
    (&[Sysno::seccomp], Expected::Refused),
    (&[Sysno::unshare], Expected::Refused),
    (&[Sysno::mount], Expected::Refused),
    (&[Sysno::open_tree], Expected::Refused),
    (&[Sysno::move_mount], Expected::Refused),
    (&[Sysno::mount_setattr], Expected::Refused),
    (&[Sysno::pivot_root], Expected::Refused),
    (&[Sysno::umount2], Expected::Refused),
    (&[Sysno::sethostname], Expected::Refused),
    (&[Sysno::setrlimit, Sysno::prlimit64], Expected::Refused),
    (&[Sysno::capset], Expected::Refused),
    (&[Sysno::memfd_create], Expected::Refused),
    (&[Sysno::setresuid], Expected::Refused),
    (&[Sysno::setgroups], Expected::Refused),
    (&[Sysno::setsid], Expected::Refused),
    (&[Sysno::close_range], Expected::Refused),
    (&[Sysno::signalfd4], Expected::Refused),
    (&[Sysno::openat2], Expected::AsStrong("folders are resolved part by part instead")),
];

/// What a process found: how a sandbox was refused, or each mechanism and its status.
type Found = BTreeMap<String, String>;

#[test]
fn a_mechanism_that_the_kernel_lacks_is_never_quietly_left_out() {
    if !met(Requirement::Root) {
        return;
    }
    let whole = found(&[]);
    assert!(whole.get("seccomp").is_some_and(|status| status == "enforced"), "{whole:?}");
    let wrong: Vec<_> = CASES
        .iter()
        .filter_map(|(without, expected)| {
            let found = found(without);
            let right = match expected {
                Expected::Refused => found.contains_key("refused"),
                Expected::AsStrong(_) => found == whole,
            };
            (!right).then(|| format!("without {without:?}: expected {expected:?}, found {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn found(without: &[Sysno]) -> Found {
    let names: Vec<_> = without.iter().map(Sysno::name).collect();
    let output = Program::new(env::current_exe().unwrap())
        .args(["--exact", "on_an_older_kernel", "--nocapture"])
        .env(WITHOUT, names.join(","))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found: Found = said
        .lines()
        .filter_map(|line| line.split_once(FOUND)?.1.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!found.is_empty(), "without {names:?} it said nothing:\n{said}\n{why}");
    found
}

/// Not a test by itself: what [`found`] starts.
#[test]
fn on_an_older_kernel() {
    let Ok(without) = env::var(WITHOUT) else { return };
    let calls = without.split(',').filter(|name| !name.is_empty()).map(|name| name.parse::<Sysno>().unwrap());
    forbid(calls.collect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match sandboxed().await {
            Ok(found) => found.iter().for_each(|(name, status)| println!("{FOUND}{name}={status}")),
            Err(refused) => println!("{FOUND}refused={refused}"),
        }
    });
}

/// Makes a sandbox and uses it.
async fn sandboxed() -> Result<Found, String> {
    let host = OsHost::try_start().map_err(|error| error.to_string())?;
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
