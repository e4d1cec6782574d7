//! What goes wrong with microVMs fails one sandbox, with a reason, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use mimobox_harness::{KvmHost, Leftovers};
use mimobox_sandbox::{Command, Error, ExitStatus, Sandbox, Spec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;

/// Processes of this program are counted, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn run<F: Future<Output = ()>>(test: impl FnOnce(KvmHost) -> F) {
    let _alone = ALONE.lock();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(host) = KvmHost::start() {
            test(host).await;
        }
    });
}

async fn works(sandbox: &Sandbox) {
    let finished = sandbox.execute(Command::new("true"), vec![]).await.unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(0));
}

/// Whatever it does to the machine; how the script ends is not asked.
async fn as_root(sandbox: &Sandbox, script: &str) -> Result<String, Error> {
    let command = Command { user: Some("root".into()), ..Command::new("sh").arguments(["-c", script]) };
    let finished = sandbox.execute(command, vec![]).await?;
    Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
}

/// Of this process alone: others may make sandboxes on this machine meanwhile. What ends in the background takes a moment.
async fn nothing_of_ours_is_left_since(before: &Leftovers) {
    let ours = format!("/{}-", std::process::id());
    let left = |now: &Leftovers| {
        let mut left: Vec<_> = now.processes.difference(&before.processes).map(u32::to_string).collect();
        let cgroups = now.cgroups.difference(&before.cgroups).map(|path| path.display().to_string());
        left.extend(cgroups.filter(|path| path.contains(&ours)));
        if now.descriptors.len() > before.descriptors.len() {
            left.push(format!("{:?}, not {:?}", now.descriptors, before.descriptors));
        }
        left
    };
    let mut last = Vec::new();
    for _ in 0..1000 {
        last = left(&Leftovers::count());
        if last.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind: {last:?}");
}

async fn is_gone(sandbox: &Sandbox) {
    assert_eq!(sandbox.execute(Command::new("true"), vec![]).await.unwrap_err(), Error::Gone);
}

#[test]
fn a_vmm_that_is_killed_while_its_sandbox_is_made_fails_that_alone() {
    run(async |host| {
        let run = host.run();
        // With this the template is there, and what is counted does not change any more.
        let first = run.create(Spec::default()).await.unwrap();
        let before = Leftovers::count();
        for delay in [0, 2, 5, 10, 20, 40, 80, 160, 320] {
            let creating = tokio::spawn({
                let run = host.run();
                async move { run.create(Spec::default()).await.map(|sandbox| (run, sandbox)) }
            });
            let vmm = loop {
                let now = Leftovers::count().processes;
                let new: BTreeSet<_> = now.difference(&before.processes).copied().collect();
                if let Some(vmm) = new.first() {
                    break *vmm;
                }
                assert!(!creating.is_finished(), "made without a process");
                tokio::time::sleep(Duration::from_millis(1)).await;
            };
            tokio::time::sleep(Duration::from_millis(delay)).await;
            kill(Pid::from_raw(vmm.try_into().unwrap()), Signal::SIGKILL).unwrap();
            match creating.await.unwrap() {
                Ok((_run, sandbox)) => is_gone(&sandbox).await,
                Err(error) => assert!(matches!(error, Error::Failed(_)), "{error:?}"),
            }
            nothing_of_ours_is_left_since(&before).await;
        }
        works(&first).await;
    });
}

#[test]
fn a_vmm_that_says_nothing_is_told_from_one_that_works() {
    let _alone = ALONE.lock();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if !mimobox_harness::met(mimobox_harness::Requirement::Kvm) {
            return;
        }
        let program = std::fs::read("/bin/true").unwrap();
        let host = KvmHost::try_start(|config| config.vmm = program, |_| {}).unwrap();
        let before = Leftovers::count();
        let refused = host.run().create(Spec::default()).await.unwrap_err();
        assert!(matches!(refused, Error::Unsupported(_)), "{refused:?}");
        nothing_of_ours_is_left_since(&before).await;
    });
}

#[test]
fn a_guest_that_reboots_or_kills_its_agent_is_gone() {
    run(async |host| {
        let run = host.run();
        for script in ["reboot -f; sleep 3600", "kill -9 -1; sleep 3600"] {
            let sandbox = run.create(Spec::default()).await.unwrap();
            let _ = as_root(&sandbox, script).await;
            is_gone(&sandbox).await;
        }
        works(&run.create(Spec::default()).await.unwrap()).await;
    });
}

#[test]
fn root_of_a_guest_reaches_nothing_of_the_host() {
    run(async |host| {
        let run = host.run();
        let (sandbox, other) =
            (run.create(Spec::default()).await.unwrap(), run.create(Spec::default()).await.unwrap());
        let before = Leftovers::count();
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let script = "mount -t tmpfs none /mnt; hostname other; insmod /bin/busybox; mknod /tmp/disk b 254 0; \
                      head -c 4096 /dev/zero > /dev/mem; head -c 4096 /dev/zero > /tmp/disk; \
                      echo 1 > /proc/sys/kernel/panic; date -s 2001-01-01; kill -9 -1; true";
        // What it does to its own machine is its own matter.
        let _ = as_root(&sandbox, script).await;
        assert_eq!(Leftovers::count().mounts, before.mounts);
        assert_eq!(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), name);
        let passed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(passed > Duration::from_secs(1_700_000_000));
        works(&other).await;
    });
}

#[test]
fn a_hundred_microvms_leave_nothing_behind() {
    run(async |host| {
        let run = host.run();
        works(&run.create(Spec::default()).await.unwrap()).await;
        run.end().await.unwrap();
        let before = Leftovers::count();
        for _ in 0..100 {
            let run = host.run();
            run.create(Spec::default()).await.unwrap();
            run.end().await.unwrap();
        }
        nothing_of_ours_is_left_since(&before).await;
    });
}
