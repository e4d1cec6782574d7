//! Saved sandboxes: taken, brought back, multiplied, kept ready. The state is the file system's.

use std::time::Duration;

use mimobox_sandbox::{
    Command, Error, ExitStatus, MakeDirectory, Pool, ReadFile, Run, Sandbox, SnapshotId, Source, Spec, State,
    WriteFile,
};
use tokio::io::AsyncReadExt as _;

use crate::{Harness, sandbox};

async fn write(sandbox: &Sandbox, path: &str, bytes: &[u8]) {
    let mut writing = sandbox.write_file(WriteFile::new(path)).await.unwrap();
    writing.write(bytes).await.unwrap();
    writing.finish().await.unwrap();
}

async fn read(sandbox: &Sandbox, path: &str) -> Result<Vec<u8>, Error> {
    sandbox.read_file(ReadFile::whole(path)).await?.to_vec(8 << 20).await
}

async fn closed(run: Run) {
    run.end().await.unwrap();
}

/// A restored sandbox has the files, goes its own way, and the first one's goes on as if nothing had been.
pub async fn a_snapshot_brings_the_files_back(harness: &impl Harness) {
    let (run, first) = sandbox(harness).await;
    let binary: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    write(&first, "/tmp/binary", &binary).await;
    first.make_directory(MakeDirectory { path: "/tmp/a/b".into(), parents: true }).await.unwrap();
    write(&first, "/tmp/a/b/c", b"before").await;
    let snapshot = run.take_snapshot(&first).await.unwrap();
    write(&first, "/tmp/a/b/c", b"after").await;
    let second = run.restore(&snapshot, None).await.unwrap();
    assert!(read(&second, "/tmp/binary").await.unwrap() == binary);
    assert_eq!(read(&second, "/tmp/a/b/c").await.unwrap(), b"before");
    write(&second, "/tmp/own", b"x").await;
    assert_eq!(read(&first, "/tmp/a/b/c").await.unwrap(), b"after");
    assert_eq!(read(&first, "/tmp/own").await, Err(Error::NotFound));
    let finished = second.execute(Command::new("cat").arguments(["/tmp/a/b/c"]), vec![]).await.unwrap();
    assert_eq!((finished.status, finished.stdout.as_slice()), (ExitStatus::Exited(0), &b"before"[..]));
    assert_ne!(first.id(), second.id());
    closed(run).await;
}

/// A snapshot outlives its sandbox and its run, is found by its id, and knows where it came from.
pub async fn a_snapshot_outlives_its_sandbox(harness: &impl Harness) {
    let (run, first) = sandbox(harness).await;
    write(&first, "/tmp/a", b"kept").await;
    let snapshot = run.take_snapshot(&first).await.unwrap();
    let id = snapshot.id().clone();
    assert_eq!((snapshot.record().memory, &snapshot.record().parent), (false, &None));
    closed(run).await;
    let run = harness.run();
    let found = run.open_snapshot(&id).await.unwrap();
    let second = run.restore(&found, None).await.unwrap();
    assert_eq!(read(&second, "/tmp/a").await.unwrap(), b"kept");
    let grandchild = run.take_snapshot(&second).await.unwrap();
    assert_eq!(grandchild.record().parent, Some(id.clone()));
    found.delete().await.unwrap();
    assert!(matches!(run.open_snapshot(&id).await, Err(Error::NotFound)));
    assert_eq!(read(&second, "/tmp/a").await.unwrap(), b"kept", "it stands on its own feet");
    closed(run).await;
}

/// What is read of a snapshot can be loaded, and comes back as it was.
pub async fn a_snapshot_is_exported_and_imported(harness: &impl Harness) {
    let (run, first) = sandbox(harness).await;
    write(&first, "/tmp/a", b"travelled").await;
    let snapshot = run.take_snapshot(&first).await.unwrap();
    let mut exported = Vec::new();
    snapshot.read().await.unwrap().read_to_end(&mut exported).await.unwrap();
    assert_eq!(exported.len() as u64, snapshot.size());
    snapshot.delete().await.unwrap();
    let imported = run.load_snapshot(Box::pin(std::io::Cursor::new(exported))).await.unwrap();
    assert_ne!(imported.id(), snapshot.id());
    let second = run.restore(&imported, None).await.unwrap();
    assert_eq!(read(&second, "/tmp/a").await.unwrap(), b"travelled");
    closed(run).await;
}

/// Bytes that are no snapshot, or a damaged one, are refused before anything is made of them.
pub async fn a_damaged_snapshot_is_refused(harness: &impl Harness) {
    let (run, first) = sandbox(harness).await;
    let snapshot = run.take_snapshot(&first).await.unwrap();
    let mut exported = Vec::new();
    snapshot.read().await.unwrap().read_to_end(&mut exported).await.unwrap();
    let half = exported.len() / 2;
    let truncated = exported[..half].to_vec();
    let mut flipped = exported.clone();
    flipped[half] ^= 1;
    for damaged in [vec![], b"not a snapshot at all".to_vec(), truncated, flipped] {
        let refused = run.load_snapshot(Box::pin(std::io::Cursor::new(damaged))).await;
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{refused:?}");
    }
    closed(run).await;
}

/// Each child has the parent's files and shares nothing with parent or siblings.
pub async fn a_fork_multiplies_a_sandbox(harness: &impl Harness) {
    let (run, parent) = sandbox(harness).await;
    write(&parent, "/tmp/shared", b"warm").await;
    let children = run.fork(&parent, 5).await.unwrap();
    assert_eq!(children.len(), 5);
    for (number, child) in children.iter().enumerate() {
        let child = child.as_ref().unwrap();
        assert_eq!(read(child, "/tmp/shared").await.unwrap(), b"warm");
        write(child, "/tmp/own", number.to_string().as_bytes()).await;
    }
    for (number, child) in children.iter().enumerate() {
        assert_eq!(read(child.as_ref().unwrap(), "/tmp/own").await.unwrap(), number.to_string().as_bytes());
    }
    assert_eq!(read(&parent, "/tmp/own").await, Err(Error::NotFound));
    closed(run).await;
}

/// None, more than a run may have, and a sandbox that is paused or closed.
pub async fn a_fork_that_makes_no_sense_is_refused(harness: &impl Harness) {
    let (run, parent) = sandbox(harness).await;
    assert!(matches!(run.fork(&parent, 0).await, Err(Error::InvalidArgument(_))));
    let refused = run.fork(&parent, 1_000_000).await;
    assert!(matches!(&refused, Err(Error::Denied(denial)) if denial.rule == "ceiling-fork"), "{refused:?}");
    parent.pause().await.unwrap();
    assert!(matches!(run.fork(&parent, 1).await, Err(Error::InvalidArgument(_))));
    assert!(matches!(run.take_snapshot(&parent).await, Err(Error::InvalidArgument(_))));
    parent.resume().await.unwrap();
    parent.close().await.unwrap();
    assert!(matches!(run.fork(&parent, 1).await, Err(Error::Gone)));
    closed(run).await;
}

/// A snapshot of another image, or of another isolation, than is asked for.
pub async fn a_restored_sandbox_has_its_own_image(harness: &impl Harness) {
    let (run, first) = sandbox(harness).await;
    let snapshot = run.take_snapshot(&first).await.unwrap();
    let other = Spec { image: Some("another".into()), ..Spec::default() };
    assert!(matches!(run.restore(&snapshot, Some(other)).await, Err(Error::InvalidArgument(_))));
    let unknown = SnapshotId::new("never-was").unwrap();
    assert!(matches!(run.open_snapshot(&unknown).await, Err(Error::NotFound)));
    closed(run).await;
}

/// A pool fills itself, gives each of its sandboxes away once, and takes those that nobody took with it.
pub async fn a_pool_keeps_sandboxes_ready(harness: &impl Harness) {
    let (run, first) = sandbox(harness).await;
    write(&first, "/tmp/a", b"from the snapshot").await;
    let snapshot = run.take_snapshot(&first).await.unwrap();
    first.close().await.unwrap();
    for source in [Source::Spec(Spec::default()), Source::Snapshot(snapshot.clone())] {
        let restored = matches!(source, Source::Snapshot(_));
        let pool = Pool::open(&run, source, 2).unwrap();
        while pool.ready() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (one, other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        assert_ne!(one.id(), other.id());
        assert_eq!(read(&one, "/tmp/a").await.is_ok(), restored);
        // More than are ready are made when they are wanted.
        let third = pool.acquire().await.unwrap();
        assert!(![one.id(), other.id()].contains(&third.id()));
        one.close().await.unwrap();
        while pool.ready() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(pool);
        for sandbox in [other, third] {
            assert_eq!(sandbox.state(), State::Ready, "what was acquired is its owner's");
            sandbox.close().await.unwrap();
        }
        while harness.manager().sandboxes() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(matches!(Pool::open(&run, Source::Spec(Spec::default()), 0), Err(Error::InvalidArgument(_))));
    closed(run).await;
}
