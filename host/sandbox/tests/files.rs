//! Operations on files: who is asked, what is written down, and when they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::time::Duration;

use mimobox_sandbox::{
    Command, Error, FileAccess, MakeDirectory, Narrowing, Operation, ReadFile, Remove, Rename, Result, Run,
    Sandbox, Spec, State, Watch, WriteFile, fake,
};
use support::{Host, Scripted, Told, allow, deny, narrow};
use tokio::io::AsyncReadExt as _;

async fn sandbox(host: &Host) -> (Run, Sandbox) {
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    (run, sandbox)
}

async fn write(sandbox: &Sandbox, path: &str, bytes: &[u8]) -> Result<()> {
    let mut writing = sandbox.write_file(WriteFile::new(path)).await?;
    writing.write(bytes).await?;
    writing.finish().await
}

async fn read(sandbox: &Sandbox, path: &str) -> Result<Vec<u8>> {
    sandbox.read_file(ReadFile::whole(path)).await?.to_vec(1_000_000).await
}

fn rename() -> Rename {
    Rename { source: "/tmp/old".into(), target: "/tmp/new".into() }
}

fn rule<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Denied(denial)) => denial.rule,
        other => panic!("not denied: {other:?}"),
    }
}

/// A policy that gives this verdict on one path, and allows all else.
fn on(path: &'static str, verdict: mimobox_sandbox::Verdict) -> Told {
    Told::new("p", move |event| match &event.operation {
        Operation::File(file) if file.path == path => Ok(verdict.clone()),
        _ => Ok(allow()),
    })
}

/// The end of each operation on files in the log, in the order of their requests; none where one has no end.
fn ends(host: &Host) -> Vec<Option<String>> {
    let entries = host.audit.entries();
    let number = |entry: &str| {
        let (_, rest) = entry.split_once(" operation: ").unwrap();
        rest.split(',').next().unwrap().to_owned()
    };
    let ends = |wanted: &str| {
        entries.iter().find(|entry| entry.starts_with("Finished") && number(entry) == wanted).cloned()
    };
    entries
        .iter()
        .filter(|entry| entry.starts_with("Requested") && entry.contains("request: File"))
        .map(|entry| ends(&number(entry)))
        .collect()
}

/// Lets all tasks come to where they wait.
async fn settled() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn policies_are_asked_what_is_done_with_a_file() {
    use FileAccess::{Read, Remove as Removal, Watch as Watching, Write};
    let told = Told::new("p", |_| Ok(allow()));
    let events = told.events.clone();
    let host = Host::with(vec![told]);
    let (_run, sandbox) = sandbox(&host).await;
    write(&sandbox, "/tmp/old", b"bytes").await.unwrap();
    read(&sandbox, "/tmp/old").await.unwrap();
    sandbox.file_entry("/tmp/old".into()).await.unwrap();
    sandbox.read_directory("/tmp".into()).await.unwrap();
    sandbox.make_directory(MakeDirectory { path: "/tmp/made".into(), parents: false }).await.unwrap();
    sandbox.watch(Watch { path: "/tmp/made".into(), recursive: false }).await.unwrap();
    sandbox.rename(rename()).await.unwrap();
    sandbox.remove(Remove { path: "/tmp/new".into(), recursive: false }).await.unwrap();
    let asked: Vec<_> = events
        .lock()
        .iter()
        .filter_map(|event| match &event.operation {
            Operation::File(file) => Some((file.path.clone(), file.access)),
            _ => None,
        })
        .collect();
    let expected = [
        ("/tmp/old", Write),
        ("/tmp/old", Read),
        ("/tmp/old", Read),
        ("/tmp", Read),
        ("/tmp/made", Write),
        ("/tmp/made", Watching),
        ("/tmp/old", Removal),
        ("/tmp/new", Write),
        ("/tmp/new", Removal),
    ];
    assert_eq!(asked, expected.map(|(path, access)| (path.to_owned(), access)));
}

#[tokio::test]
async fn a_denied_write_leaves_nothing() {
    let host = Host::with(vec![on("/tmp/file", deny("not-there"))]);
    let (_run, sandbox) = sandbox(&host).await;
    assert_eq!(rule(write(&sandbox, "/tmp/file", b"bytes").await), "not-there");
    assert_eq!(sandbox.read_directory("/tmp".into()).await, Ok(vec![]));
}

#[tokio::test]
async fn a_denial_of_a_rename_s_second_name_leaves_nothing_done() {
    let host = Host::with(vec![on("/tmp/new", deny("no-new-names"))]);
    let (_run, sandbox) = sandbox(&host).await;
    write(&sandbox, "/tmp/old", b"bytes").await.unwrap();
    assert_eq!(rule(sandbox.rename(rename()).await), "no-new-names");
    assert_eq!(read(&sandbox, "/tmp/old").await.unwrap(), b"bytes");
    // A refused request is closed by its refusal; the one that was allowed ends with it.
    let ends = ends(&host);
    assert!(ends[1].as_ref().unwrap().contains("error: Some(\"denied\")"), "{ends:?}");
    assert_eq!(ends[2], None);
}

#[tokio::test]
async fn both_names_of_a_rename_end_as_it_ended() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    assert_eq!(sandbox.rename(rename()).await, Err(Error::NotFound));
    let ends = ends(&host);
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|end| end.as_ref().unwrap().contains("not-found")), "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_nobody_waits_for_ends_in_the_log() {
    let host = Host::with(vec![Told::perhaps("p", |event| match &event.operation {
        Operation::File(file) if file.path == "/tmp/new" => None,
        _ => Some(Ok(allow())),
    })]);
    let (_run, sandbox) = sandbox(&host).await;
    let waited = tokio::time::timeout(Duration::from_millis(1), sandbox.rename(rename())).await;
    assert!(waited.is_err());
    let ends = ends(&host);
    assert!(ends.len() == 1 && ends[0].as_ref().unwrap().contains("gone"), "{ends:?}");
}

#[tokio::test]
async fn narrowing_an_operation_on_files_denies_it() {
    let less = narrow(Narrowing { timeout: Some(Duration::from_secs(1)), ..Narrowing::default() });
    let host = Host::with(vec![on("/tmp/file", less)]);
    let (_run, sandbox) = sandbox(&host).await;
    assert_eq!(rule(write(&sandbox, "/tmp/file", b"bytes").await), "policy-failed");
}

#[tokio::test]
async fn the_log_has_the_bytes_that_were_written_and_read() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    write(&sandbox, "/tmp/file", b"12345").await.unwrap();
    let request = ReadFile { length: Some(3), ..ReadFile::whole("/tmp/file") };
    sandbox.read_file(request).await.unwrap().to_vec(10).await.unwrap();
    settled().await;
    let ends = ends(&host);
    assert!(ends[0].as_ref().unwrap().contains("stdin: 5, stdout: 0"), "{ends:?}");
    assert!(ends[1].as_ref().unwrap().contains("stdin: 0, stdout: 3"), "{ends:?}");
    assert!(ends.iter().all(|end| end.as_ref().unwrap().contains("error: None")), "{ends:?}");
}

#[tokio::test]
async fn a_full_audit_log_refuses_before_anything_is_done() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    host.audit.fill_up();
    assert!(matches!(read(&sandbox, "/tmp/file").await, Err(Error::Failed(_))));
    assert!(matches!(sandbox.rename(rename()).await, Err(Error::Failed(_))));
    assert!(host.backend.is_script_unused());
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_gets_stuck_is_stopped_at_its_deadline() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    assert_eq!(read(&sandbox, "/tmp/file").await, Err(Error::TimedOut));
    assert_eq!((scripted.stops(), sandbox.state()), (1, State::Ready));
    assert!(ends(&host)[0].as_ref().unwrap().contains("timed-out"));
}

#[tokio::test(start_paused = true)]
async fn a_writing_that_gets_stuck_is_stopped_at_its_deadline() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    // More than its pipe takes.
    assert_eq!(write(&sandbox, "/tmp/file", &[0; 100]).await, Err(Error::TimedOut));
    assert_eq!((scripted.stops(), sandbox.state()), (1, State::Ready));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_a_paused_sandbox_is_told_at_once_and_carried_out_later() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let (reader, writer) = (Scripted::new(), Scripted::new());
    host.backend.script(&reader);
    let reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    host.backend.script(&writer);
    let mut writing = sandbox.write_file(WriteFile::new("/tmp/file")).await.unwrap();
    sandbox.pause().await.unwrap();
    assert_eq!(reading.to_vec(10).await, Err(Error::TimedOut));
    assert_eq!(writing.write(&[0; 100]).await, Err(Error::TimedOut));
    assert_eq!(writing.finish().await, Err(Error::TimedOut));
    settled().await;
    assert_eq!((reader.stops(), writer.stops()), (0, 0));
    sandbox.resume().await.unwrap();
    settled().await;
    assert_eq!((reader.stops(), writer.stops()), (1, 1));
    assert!(!writer.saw_end_of_input(), "it would have taken that for the end of the file");
    assert_eq!(sandbox.state(), State::Ready);
}

#[tokio::test]
async fn a_dropped_writing_is_stopped_before_its_input_ends() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    let mut writing = sandbox.write_file(WriteFile::new("/tmp/file")).await.unwrap();
    writing.write(b"half").await.unwrap();
    drop(writing);
    settled().await;
    assert_eq!((scripted.stops(), scripted.saw_end_of_input()), (1, false));
    assert!(ends(&host)[0].as_ref().unwrap().contains("gone"));
}

#[tokio::test]
async fn an_input_whose_agent_is_gone_ends_after_its_sandbox() {
    for is_noticed in [false, true] {
        let host = Host::with(vec![]);
        let (_run, sandbox) = sandbox(&host).await;
        let scripted = Scripted::new();
        host.backend.script(&scripted);
        let mut writing = sandbox.write_file(WriteFile::new("/tmp/file")).await.unwrap();
        writing.write(b"half").await.unwrap();
        if is_noticed {
            scripted.lose()
        } else {
            scripted.lose_unnoticed()
        }
        settled().await;
        drop(writing);
        settled().await;
        assert!(!scripted.saw_end_of_input(), "noticed: {is_noticed}");
        sandbox.close().await.unwrap();
        settled().await;
        assert!(scripted.saw_end_of_input(), "held for ever; noticed: {is_noticed}");
    }
}

#[tokio::test]
async fn operations_that_were_killed_or_stopped_give_their_places_back() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    for is_killed in [true, false].into_iter().cycle().take(200) {
        let scripted = Scripted::new();
        host.backend.script(&scripted);
        let writing = sandbox.write_file(WriteFile::new("/tmp/file")).await.unwrap();
        if is_killed {
            scripted.end(Err(Error::Gone));
        }
        drop(writing);
        settled().await;
    }
    assert!(sandbox.file_entry("/tmp".into()).await.is_ok());
}

#[tokio::test]
async fn a_dropped_writing_leaves_the_old_file() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    write(&sandbox, "/tmp/file", b"old").await.unwrap();
    let mut writing = sandbox.write_file(WriteFile::new("/tmp/file")).await.unwrap();
    writing.write(b"new").await.unwrap();
    drop(writing);
    settled().await;
    assert_eq!(read(&sandbox, "/tmp/file").await.unwrap(), b"old");
}

#[tokio::test]
async fn a_dropped_reading_is_stopped() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    drop(sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap());
    settled().await;
    assert_eq!(scripted.stops(), 1);
}

#[tokio::test]
async fn what_has_ended_is_not_stopped() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    let reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    scripted.end(Ok(()));
    drop(reading);
    settled().await;
    assert_eq!(scripted.stops(), 0);
    assert!(ends(&host)[0].as_ref().unwrap().contains("error: None"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_not_obeyed_poisons() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    scripted.disobey();
    host.backend.script(&scripted);
    assert_eq!(read(&sandbox, "/tmp/file").await, Err(Error::Poisoned));
    settled().await;
    assert_eq!(sandbox.state(), State::Poisoned);
    assert_eq!(read(&sandbox, "/tmp/file").await, Err(Error::Poisoned));
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_the_middle_of_a_stop_is_no_disobedience() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    scripted.disobey();
    host.backend.script(&scripted);
    drop(sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap());
    settled().await;
    sandbox.pause().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((scripted.stops(), sandbox.state()), (1, State::Paused));
    sandbox.resume().await.unwrap();
    settled().await;
    assert_eq!(scripted.stops(), 2);
    scripted.end(Err(Error::Gone));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(sandbox.state(), State::Ready);
}

#[tokio::test]
async fn a_failed_reading_does_not_look_like_the_end_of_the_file() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    let mut reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    scripted.end(Err(Error::PermissionDenied));
    let error = reading.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(Error::from_io(&error), Error::PermissionDenied);
    // And stays so.
    assert_eq!(reading.to_vec(10).await, Err(Error::PermissionDenied));
}

#[tokio::test]
async fn a_failure_of_the_backend_poisons() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let scripted = Scripted::new();
    host.backend.script(&scripted);
    let reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    scripted.end(Err(Error::failed(&std::io::Error::other("lost"))));
    assert!(matches!(reading.to_vec(10).await, Err(Error::Failed(_))));
    settled().await;
    assert_eq!(sandbox.state(), State::Poisoned);
}

#[tokio::test]
async fn operations_at_once_are_limited() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let mut readings = Vec::new();
    for _ in 0..64 {
        host.backend.script(&Scripted::new());
        readings.push(sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap());
    }
    assert!(matches!(read(&sandbox, "/tmp/file").await, Err(Error::LimitReached(_))));
    assert!(matches!(sandbox.file_entry("/tmp".into()).await, Err(Error::LimitReached(_))));
    readings.pop();
    settled().await;
    assert!(sandbox.file_entry("/tmp".into()).await.is_ok());
    // Commands have places of their own.
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

#[tokio::test]
async fn a_paused_or_closed_sandbox_does_nothing_with_files() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    sandbox.pause().await.unwrap();
    assert!(matches!(read(&sandbox, "/tmp/file").await, Err(Error::InvalidArgument(_))));
    assert!(matches!(sandbox.rename(rename()).await, Err(Error::InvalidArgument(_))));
    sandbox.close().await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/file").await, Err(Error::Gone));
    assert_eq!(sandbox.rename(rename()).await, Err(Error::Gone));
    assert_eq!(ends(&host), []);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let told = Told::new("p", |_| Ok(allow()));
    let asked = told.asked.clone();
    let host = Host::with(vec![told]);
    let (_run, sandbox) = sandbox(&host).await;
    let before = *asked.lock();
    let invalid =
        |result: Result<()>| assert!(matches!(result, Err(Error::InvalidArgument(_))), "{result:?}");
    for path in ["relative", "", "/nul\0byte", &"/long".repeat(1000)] {
        invalid(read(&sandbox, path).await.map(drop));
        invalid(sandbox.rename(Rename { target: path.into(), ..rename() }).await);
    }
    let more_than_permissions = WriteFile { mode: 0o4755, ..WriteFile::new("/tmp/file") };
    invalid(sandbox.write_file(more_than_permissions).await.map(drop));
    assert_eq!(*asked.lock(), before);
}

#[tokio::test]
async fn reading_past_a_limit_is_an_error() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    write(&sandbox, "/tmp/file", b"12345").await.unwrap();
    let reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    assert_eq!(reading.to_vec(4).await, Err(Error::LimitReached("file".into())));
    let reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    assert_eq!(reading.to_vec(5).await.unwrap(), b"12345");
}

#[tokio::test(start_paused = true)]
async fn a_watch_has_no_deadline() {
    let host = Host::with(vec![]);
    let (_run, sandbox) = sandbox(&host).await;
    let mut watching = sandbox.watch(Watch { path: "/tmp".into(), recursive: false }).await.unwrap();
    tokio::time::sleep(fake::ceiling().timeout * 2).await;
    write(&sandbox, "/tmp/file", b"").await.unwrap();
    assert!(futures_util::StreamExt::next(&mut watching).await.unwrap().is_ok());
}
