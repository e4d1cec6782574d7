//! Operations on files and terminals, against an agent that answers as it likes.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use mimobox_agent_client::{
    ChangeKind, Client, ExitStatus, FileEntry, FileError, FileFailure, FileKind, FileOperation, Signal,
    TerminalSize, WatchMessage,
};
use mimobox_protocol::{Request, Response, encode};
use tokio::task::JoinHandle;

use crate::fake_agent::{FakeAgent, PATIENT, command};

const DONE: ExitStatus = ExitStatus::Exited(0);

fn entry(name: &str) -> FileEntry {
    FileEntry {
        name: name.into(),
        kind: FileKind::File,
        size: 1,
        mode: 0o644,
        modified_seconds: 2,
        modified_nanoseconds: 3,
    }
}

/// The next operation of the client, with the agent's end of its pipe. It has begun.
fn begun(agent: &mut FakeAgent) -> (u32, FileOperation, Option<File>) {
    match agent.receive() {
        Some(request @ Request::File { .. }) => {
            let pipe = agent.take_descriptors(request.descriptors()).pop().map(File::from);
            let Request::File { id, operation } = request else { unreachable!() };
            agent.send(&Response::Started { id });
            (id, operation, pipe)
        }
        other => panic!("no operation on files: {other:?}"),
    }
}

fn listing(client: &Client) -> JoinHandle<Result<Vec<FileEntry>, FileError>> {
    let client = client.clone();
    tokio::spawn(async move { client.read_directory("/tmp".into()).await })
}

/// What a listing comes to if the agent writes these bytes and ends it like this.
async fn list(bytes: &[u8], status: ExitStatus) -> Result<Vec<FileEntry>, FileError> {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let listing = listing(&client);
    let (id, operation, pipe) = begun(&mut agent);
    assert_eq!(operation, FileOperation::ReadDirectory { path: "/tmp".into() });
    // Where the client has seen enough it reads no more.
    let _ = pipe.unwrap().write_all(bytes);
    agent.send(&Response::Ended { id, status });
    listing.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_whole_and_in_order() {
    let bytes = [encode(&entry("a")).unwrap(), encode(&entry("b")).unwrap()].concat();
    assert_eq!(list(&bytes, DONE).await.unwrap(), [entry("a"), entry("b")]);
    assert_eq!(list(&[], DONE).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_by_the_exit_code_whatever_came_before() {
    let bytes = encode(&entry("a")).unwrap();
    for failure in [FileFailure::NotFound, FileFailure::NotUtf8] {
        let listed = list(&bytes, ExitStatus::Exited(failure.code())).await;
        assert!(matches!(&listed, Err(FileError::Failed(why)) if *why == failure), "{listed:?}");
    }
    let killed = list(&bytes, ExitStatus::Signaled(9)).await;
    assert!(matches!(killed, Err(FileError::Failed(FileFailure::Killed))), "{killed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_short_or_nonsense_is_an_error() {
    let frame = encode(&entry("a")).unwrap();
    let cut = list(&frame[..frame.len() - 1], DONE).await;
    assert!(matches!(cut, Err(FileError::CutShort)), "{cut:?}");
    let nonsense = list(&[255; 100], DONE).await;
    assert!(matches!(nonsense, Err(FileError::Malformed(_))), "{nonsense:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_listing_is_stopped() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let listing = listing(&client);
    let (id, _, pipe) = begun(&mut agent);
    let writer = std::thread::spawn(move || {
        let (mut pipe, frame) = (pipe.unwrap(), encode(&entry(&"x".repeat(200))).unwrap().repeat(1000));
        while pipe.write_all(&frame).is_ok() {}
    });
    let listed = listing.await.unwrap();
    assert!(matches!(listed, Err(FileError::TooLong(_))), "{listed:?}");
    writer.join().unwrap();
    let killed = agent.receive();
    assert!(
        matches!(killed, Some(Request::Signal { process, signal: Signal::Kill, .. }) if process == id),
        "{killed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_dropped_is_killed() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let removing = {
        let client = client.clone();
        let operation = FileOperation::Remove { path: "/tmp/a".into(), recursive: true };
        tokio::spawn(async move { client.do_file(operation).await })
    };
    let (id, _, pipe) = begun(&mut agent);
    assert!(pipe.is_none());
    // Its answer is taken once this one is.
    let signalling = tokio::spawn(async move { client.signal(id, Signal::User1).await });
    let Some(Request::Signal { id: asked, .. }) = agent.receive() else { panic!("no signal") };
    agent.send(&Response::Signalled { id: asked, delivered: Ok(()) });
    signalling.await.unwrap().unwrap();
    tokio::task::yield_now().await;
    removing.abort();
    assert!(removing.await.unwrap_err().is_cancelled());
    let killed = agent.receive();
    assert!(
        matches!(killed, Some(Request::Signal { process, signal: Signal::Kill, .. }) if process == id),
        "{killed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_when_the_agent_is_ready() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let watching = tokio::spawn({
        let client = client.clone();
        async move { client.watch("/tmp".into(), true).await }
    });
    let (id, _, pipe) = begun(&mut agent);
    let mut pipe = pipe.unwrap();
    let changed = WatchMessage::Changed { path: "/tmp/a".into(), kind: ChangeKind::Created };
    pipe.write_all(&encode(&WatchMessage::Ready).unwrap()).unwrap();
    let mut watch = watching.await.unwrap().unwrap();
    pipe.write_all(&encode(&changed).unwrap()).unwrap();
    assert_eq!(watch.next().await.unwrap(), Some(changed));
    drop(pipe);
    agent.send(&Response::Ended { id, status: DONE });
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_was_never_ready_is_refused() {
    let changed = WatchMessage::Changed { path: "/tmp/a".into(), kind: ChangeKind::Created };
    for (bytes, status) in [(encode(&changed).unwrap(), DONE), (Vec::new(), DONE)] {
        let (mut agent, client) = FakeAgent::connect(PATIENT).await;
        let watching = tokio::spawn({
            let client = client.clone();
            async move { client.watch("/tmp".into(), true).await }
        });
        let (id, _, pipe) = begun(&mut agent);
        pipe.unwrap().write_all(&bytes).unwrap();
        agent.send(&Response::Ended { id, status });
        let refused = watching.await.unwrap();
        assert!(matches!(refused, Err(FileError::CutShort)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_two_pipes_and_a_size() {
    let (mut agent, client) = FakeAgent::connect(PATIENT).await;
    let size = TerminalSize { columns: 80, rows: 24 };
    let opening = tokio::spawn({
        let client = client.clone();
        async move { client.open_terminal(command(), size).await }
    });
    let Some(Request::OpenTerminal { id, size: asked, .. }) = agent.receive() else { panic!("no terminal") };
    assert_eq!(asked, size);
    let ends: Vec<OwnedFd> = agent.take_descriptors(2);
    assert_eq!((ends.len(), agent.spare_descriptors()), (2, 0));
    agent.send(&Response::Started { id });
    let opened = opening.await.unwrap().unwrap();
    let resizing = tokio::spawn({
        let client = client.clone();
        async move { client.resize(id, TerminalSize { columns: 1, rows: 2 }).await }
    });
    let Some(Request::Resize { id: asked, process, size }) = agent.receive() else { panic!("no resize") };
    assert_eq!((process, size), (opened.id, TerminalSize { columns: 1, rows: 2 }));
    agent.send(&Response::Resized { id: asked, resized: Ok(()) });
    resizing.await.unwrap().unwrap();
    agent.send(&Response::Ended { id, status: DONE });
    assert_eq!(opened.ended.await, Ok(DONE));
}
