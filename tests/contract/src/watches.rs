//! Word of changes to files.

use futures_util::StreamExt as _;
use mimobox_sandbox::ChangeKind::{Created, Modified, Removed, Renamed};
use mimobox_sandbox::{ChangeKind, Command, FileChange, Sandbox, Watch, Watching};

use crate::files::{make_directory, output_of, write};
use crate::{Harness, sandbox};

/// A watch of `/tmp/place`, which it makes.
async fn watch(sandbox: &Sandbox, recursive: bool) -> Watching {
    make_directory(sandbox, "/tmp/place").await;
    sandbox.watch(Watch { path: "/tmp/place".into(), recursive }).await.unwrap()
}

/// All changes up to this one.
async fn until(watching: &mut Watching, kind: ChangeKind, path: &str) -> Vec<FileChange> {
    let last = FileChange { path: path.into(), kind };
    let mut changes = Vec::new();
    loop {
        let change = watching.next().await.unwrap().unwrap();
        changes.push(change.clone());
        if change == last {
            return changes;
        }
    }
}

/// What happened to one path, each kind once where it came several times in a row.
fn kinds(changes: &[FileChange], path: &str) -> Vec<ChangeKind> {
    let mut kinds: Vec<_> =
        changes.iter().filter(|change| change.path == path).map(|change| change.kind).collect();
    kinds.dedup();
    kinds
}

async fn tee(sandbox: &Sandbox, path: &str) {
    sandbox.execute(Command::new("tee").arguments([path]), b"bytes".to_vec()).await.unwrap();
}

/// As a command makes them.
pub async fn a_watch_tells_every_change_in_order(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut watching = watch(&sandbox, false).await;
    tee(&sandbox, "/tmp/place/a").await;
    output_of(&sandbox, "mv", &["/tmp/place/a", "/tmp/place/b"]).await;
    output_of(&sandbox, "rm", &["/tmp/place/b"]).await;
    let changes = until(&mut watching, Removed, "/tmp/place/b").await;
    assert_eq!(kinds(&changes, "/tmp/place/a"), [Created, Modified], "{changes:?}");
    assert_eq!(kinds(&changes, "/tmp/place/b"), [Renamed, Removed], "{changes:?}");
}

/// Whoever watches but one of the two places.
pub async fn a_watch_tells_what_comes_and_goes(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut watching = watch(&sandbox, false).await;
    write(&sandbox, "/tmp/elsewhere", b"bytes").await.unwrap();
    output_of(&sandbox, "mv", &["/tmp/elsewhere", "/tmp/place/here"]).await;
    output_of(&sandbox, "mv", &["/tmp/place/here", "/tmp/elsewhere"]).await;
    let changes = until(&mut watching, Removed, "/tmp/place/here").await;
    assert_eq!(kinds(&changes, "/tmp/place/here"), [Created, Removed], "{changes:?}");
}

/// Those of the host are changes like any other. Which they are is the backend's: it may rename the file to its place.
pub async fn a_watch_tells_what_the_host_writes(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut watching = watch(&sandbox, false).await;
    write(&sandbox, "/tmp/place/file", b"bytes").await.unwrap();
    while watching.next().await.unwrap().unwrap().path != "/tmp/place/file" {}
}

/// Those that are made while it watches among them.
pub async fn a_recursive_watch_sees_all_directories_below(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/place").await;
    make_directory(&sandbox, "/tmp/place/old").await;
    let watch = Watch { path: "/tmp/place".into(), recursive: true };
    let mut watching = sandbox.watch(watch).await.unwrap();
    tee(&sandbox, "/tmp/place/old/file").await;
    make_directory(&sandbox, "/tmp/place/new").await;
    make_directory(&sandbox, "/tmp/place/new/newer").await;
    tee(&sandbox, "/tmp/place/new/newer/file").await;
    until(&mut watching, Created, "/tmp/place/old/file").await;
    until(&mut watching, Created, "/tmp/place/new").await;
    until(&mut watching, Created, "/tmp/place/new/newer").await;
    until(&mut watching, Created, "/tmp/place/new/newer/file").await;
}

/// Only its members are seen.
pub async fn a_plain_watch_does_not_see_below(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut watching = watch(&sandbox, false).await;
    make_directory(&sandbox, "/tmp/place/below").await;
    tee(&sandbox, "/tmp/place/below/file").await;
    tee(&sandbox, "/tmp/place/last").await;
    let changes = until(&mut watching, Created, "/tmp/place/last").await;
    assert_eq!(kinds(&changes, "/tmp/place/below/file"), [], "{changes:?}");
}

/// Without an error.
pub async fn a_watch_ends_when_its_place_is_gone(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut watching = watch(&sandbox, false).await;
    tee(&sandbox, "/tmp/place/file").await;
    output_of(&sandbox, "rm", &["-r", "/tmp/place"]).await;
    until(&mut watching, Removed, "/tmp/place").await;
    assert!(watching.next().await.is_none());
}

/// With one: nobody may take it for the end of the place.
pub async fn a_watch_fails_when_its_sandbox_is_closed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut watching = watch(&sandbox, false).await;
    sandbox.close().await.unwrap();
    assert_eq!(watching.next().await, Some(Err(mimobox_sandbox::Error::Gone)));
    assert!(watching.next().await.is_none());
}
