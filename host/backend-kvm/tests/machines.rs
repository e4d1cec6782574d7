//! What a microVM is to who runs commands in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use mimobox_harness::KvmHost;
use mimobox_sandbox::{Access, Command, Error, ExitStatus, Limits, Mount, Sandbox, Spec};

const MIB: u64 = 1 << 20;

fn run<F: Future<Output = ()>>(test: impl FnOnce(KvmHost) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(host) = KvmHost::start() {
            test(host).await;
        }
    });
}

async fn says(sandbox: &Sandbox, line: &str) -> String {
    let finished = sandbox.execute(Command::new("sh").arguments(["-c", line]), vec![]).await.unwrap();
    assert_eq!(
        finished.status,
        ExitStatus::Exited(0),
        "{line}: {}",
        String::from_utf8_lossy(&finished.stderr)
    );
    String::from_utf8(finished.stdout).unwrap().trim_end().to_owned()
}

fn fixtures(read_only: bool) -> Spec {
    let mount = Mount { volume: "fixtures".into(), target: "/mnt/fixtures".into(), read_only };
    Spec { mounts: vec![mount], ..Spec::default() }
}

#[test]
fn copies_of_one_template_have_their_own_random_numbers_and_the_right_time() {
    run(async |host| {
        let run = host.run();
        let mut numbers = BTreeSet::new();
        for _ in 0..2 {
            let sandbox = run.create(Spec::default()).await.unwrap();
            let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let said = says(&sandbox, "date +%s; head -c 16 /dev/urandom | od -An -tx1; hostname").await;
            let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let mut lines = said.lines();
            let clock: u64 = lines.next().unwrap().parse().unwrap();
            assert!((before..=after).contains(&clock), "{clock} is not between {before} and {after}");
            numbers.insert(lines.next().unwrap().to_owned());
            assert_eq!(lines.next(), Some("sandbox"));
        }
        assert_eq!(numbers.len(), 2, "both draw {numbers:?}");
    });
}

#[test]
fn a_machine_has_the_memory_and_the_uses_that_its_report_says() {
    run(async |host| {
        let run = host.run();
        let sandbox = run.create(Spec::default()).await.unwrap();
        let total: u64 = says(&sandbox, "awk '/MemTotal/ { print $2 }' /proc/meminfo").await.parse().unwrap();
        assert!((200 * MIB / 1024..=256 * MIB / 1024).contains(&total), "{total} KiB");
        let usage = sandbox.usage().await.unwrap();
        assert!(usage.processes >= 2 && usage.memory > MIB && !usage.cpu_time.is_zero(), "{usage:?}");
        sandbox.pause().await.unwrap();
        assert_eq!(sandbox.usage().await.unwrap().processes, usage.processes);
    });
}

#[test]
fn too_little_memory_is_refused_with_the_least() {
    run(async |host| {
        let limits = Limits { memory: Some(63 * MIB), ..Limits::default() };
        let refused = host.run().create(Spec { limits, ..Spec::default() }).await.unwrap_err();
        assert!(refused.to_string().contains("67108864"), "{refused}");
    });
}

#[test]
fn a_read_only_volume_is_there_as_it_was() {
    run(async |host| {
        std::fs::write(host.fixtures().join("word"), "hello").unwrap();
        let run = host.run();
        let sandbox = run.create(fixtures(true)).await.unwrap();
        std::fs::write(host.fixtures().join("word"), "changed").unwrap();
        assert_eq!(
            says(&sandbox, "cat /mnt/fixtures/word; ! touch /mnt/fixtures/new 2> /dev/null").await,
            "hello"
        );
        assert!(!host.fixtures().join("new").exists());
    });
}

#[test]
fn a_writable_volume_is_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if !mimobox_harness::met(mimobox_harness::Requirement::Kvm) {
            return;
        }
        let allow = |parts: &mut mimobox_sandbox::Parts| {
            parts.ceiling.volumes.insert("fixtures".into(), Access::ReadWrite);
        };
        let host = KvmHost::try_start(|_| {}, allow).unwrap();
        let refused = host.run().create(fixtures(false)).await.unwrap_err();
        assert!(matches!(refused, Error::Unsupported(_)), "{refused:?}");
    });
}

#[test]
fn a_command_that_takes_all_memory_is_told_so() {
    run(async |host| {
        let limits = Limits { memory: Some(64 * MIB), ..Limits::default() };
        let run = host.run();
        let sandbox = run.create(Spec { limits, ..Spec::default() }).await.unwrap();
        let finished = sandbox.execute(Command::new("tail").arguments(["/dev/zero"]), vec![]).await.unwrap();
        assert_eq!(finished.status, ExitStatus::OutOfMemory);
        assert_eq!(says(&sandbox, "echo alive").await, "alive");
    });
}
