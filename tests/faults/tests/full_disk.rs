//! Disks without room: under the snapshots, under the audit log, and a sandbox's own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts the host as its users do")]

use std::fs;
use std::path::Path;
use std::process::{Command as Program, Output};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mimobox_faults::{SmallDisk, alone, block_on};
use mimobox_harness::{Leftovers, OsHost, Requirement, agent, met, program};
use mimobox_sandbox::{Command, Error, ExitStatus, Limits, ReadFile, Run, Sandbox, Spec, WriteFile};
use mimobox_snapshots::{FolderStore, StoreLimits};

const KIBIBYTE: usize = 1024;

async fn write(sandbox: &Sandbox, path: &str, bytes: &[u8]) -> Result<(), Error> {
    let mut writing = sandbox.write_file(WriteFile::new(path)).await?;
    // What went wrong is told at the end.
    let _ = writing.write(bytes).await;
    writing.finish().await
}

async fn read(sandbox: &Sandbox, path: &str) -> Vec<u8> {
    sandbox.read_file(ReadFile::whole(path)).await.unwrap().to_vec(1 << 20).await.unwrap()
}

async fn run_shell(sandbox: &Sandbox, script: &str) -> ExitStatus {
    sandbox.execute(Command::new("sh").arguments(["-c", script]), vec![]).await.unwrap().status
}

#[test]
fn without_room_for_snapshots_none_is_taken_and_none_is_lost() {
    let _alone = alone();
    if !met(Requirement::Root) {
        return;
    }
    let before = Leftovers::count();
    block_on(async {
        let disk = SmallDisk::mount();
        let folder = Dir::open_ambient_dir(disk.path(), ambient_authority()).unwrap();
        let store = Arc::new(FolderStore::open(folder, StoreLimits::default()).unwrap());
        let host = OsHost::try_start(|_| {}, |parts| parts.snapshots = Some(store)).unwrap();
        let run = host.run();
        let sandbox = run.create(Spec::default()).await.unwrap();
        write(&sandbox, "/tmp/file", &[b'a'; 64 * KIBIBYTE]).await.unwrap();
        let kept = run.take_snapshot(&sandbox).await.unwrap();

        disk.fill();
        let files = names(disk.path());
        refused_for_want_of_disk(&run, &sandbox).await;
        disk.leave(16 * KIBIBYTE as u64);
        refused_for_want_of_disk(&run, &sandbox).await;
        assert_eq!(names(disk.path()), files);

        // Neither the sandbox nor what is kept is the worse for it.
        assert_eq!(read(&sandbox, "/tmp/file").await.len(), 64 * KIBIBYTE);
        let restored = run.restore(&kept, None).await.unwrap();
        assert_eq!(read(&restored, "/tmp/file").await, [b'a'; 64 * KIBIBYTE]);

        disk.clear();
        run.take_snapshot(&sandbox).await.unwrap();
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}

async fn refused_for_want_of_disk(run: &Run, sandbox: &Sandbox) {
    let refused = run.take_snapshot(sandbox).await.unwrap_err();
    assert!(matches!(refused, Error::LimitReached(_)), "{refused:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "filler")
        .collect();
    names.sort();
    names
}

#[test]
fn without_room_for_the_audit_log_nothing_is_done_and_no_line_is_torn_for_good() {
    let _alone = alone();
    if !met(Requirement::Root) {
        return;
    }
    let before = Leftovers::count();
    let disk = SmallDisk::mount();
    let home = tempfile::tempdir().unwrap();
    let log = disk.path().join("audit.jsonl");
    fs::create_dir(home.path().join("data")).unwrap();
    let config =
        format!("[audit]\nfile = {log:?}\n[volume.data]\npath = \"data\"\naccess = \"read-write\"\n",);
    fs::write(home.path().join("mimobox.toml"), config).unwrap();
    assert_eq!(touch(home.path(), "first").status.code(), Some(0));

    disk.fill();
    // The last page of the log has room for a line or two: one of them is the first that is not whole.
    let mut calls = (0..64).map(|number| touch(home.path(), &format!("made-{number}")));
    let output = calls.find(|output| output.status.code() != Some(0)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("audit log"), "{said}");
    let output = touch(home.path(), "later");
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(!home.path().join("data/later").exists());

    disk.clear();
    assert_eq!(touch(home.path(), "last").status.code(), Some(0));
    assert!(home.path().join("data/last").exists());
    // Each file that was made is spoken of by a whole line.
    let log = fs::read_to_string(log).unwrap();
    let whole: Vec<serde_json::Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(log.lines().count() - whole.len() <= 2, "{log}");
    for made in names(&home.path().join("data")) {
        let path = format!("/mnt/data/{made}");
        let told = whole.iter().any(|line| line["request"]["execute"]["arguments"][0] == path.as_str());
        assert!(told, "{made} is not in {log}");
    }
    drop(disk);
    Leftovers::assert_nothing_since(&before);
}

/// Has a sandbox make a file in the volume.
fn touch(home: &Path, name: &str) -> Output {
    Program::new(program("mimobox-host"))
        .args(["--config", "mimobox.toml", "exec", "--volume", "data", "--", "touch"])
        .arg(format!("/mnt/data/{name}"))
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("MIMOBOX_AGENT", agent())
        .output()
        .unwrap()
}

#[test]
fn a_sandbox_without_room_goes_on_and_has_room_again() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        let disk = Limits { disk: Some(2 * 1024 * 1024), ..Limits::default() };
        let sandbox = run.create(Spec { limits: disk, ..Spec::default() }).await.unwrap();
        write(&sandbox, "/tmp/kept", b"kept").await.unwrap();
        for _ in 0..3 {
            let filled = run_shell(&sandbox, "cat /dev/zero > /tmp/filler 2>/dev/null").await;
            assert_eq!(filled, ExitStatus::Exited(1));
            let refused = write(&sandbox, "/tmp/kept", &[b'x'; 64 * KIBIBYTE]).await.unwrap_err();
            assert!(matches!(refused, Error::LimitReached(_)), "{refused:?}");
            assert_eq!(read(&sandbox, "/tmp/kept").await, b"kept");
            assert_eq!(
                run_shell(&sandbox, "rm /tmp/filler && echo again > /tmp/again").await,
                ExitStatus::Exited(0)
            );
            assert_eq!(read(&sandbox, "/tmp/again").await, b"again\n");
            write(&sandbox, "/tmp/large", &[b'x'; 64 * KIBIBYTE]).await.unwrap();
        }
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_sandbox_with_as_many_files_as_it_may_have_goes_on() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        let disk = Limits { disk: Some(1024 * 1024), ..Limits::default() };
        let sandbox = run.create(Spec { limits: disk, ..Spec::default() }).await.unwrap();
        // The first that does not fit ends it.
        let many = "mkdir /tmp/many && cd /tmp/many && seq 100000 | xargs sh -c 'touch \"$@\" 2>/dev/null || exit 255' sh";
        assert_ne!(run_shell(&sandbox, many).await, ExitStatus::Exited(0));
        let refused = write(&sandbox, "/tmp/another", b"").await.unwrap_err();
        assert!(matches!(refused, Error::LimitReached(_)), "{refused:?}");
        assert_eq!(run_shell(&sandbox, "rm -r /tmp/many").await, ExitStatus::Exited(0));
        write(&sandbox, "/tmp/another", b"").await.unwrap();
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}
