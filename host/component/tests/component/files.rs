//! Interface `files`: what a guest sees of a sandbox's files, and what becomes of what it does not finish.

use std::sync::Arc;
use std::time::Duration;

use mimobox_component::{PolicyLimits, RunError, RunLimits};
use mimobox_sandbox::Policy;

use crate::stand::{Ended, Stand, built, orchestrator, policy};

fn soon() -> RunLimits {
    RunLimits { time: Duration::from_millis(500), ..RunLimits::default() }
}

#[tokio::test]
async fn every_operation_does_what_it_says() {
    let ended = Stand::new().orchestrate(&["files"]).await;
    let expected = [
        "hello, you",
        "greeting: Kind::File of 10 bytes, mode 644",
        "from 7 on, 2 bytes: \"yo\"",
        "past the end: 0 bytes",
        "emptied: 0 bytes",
        "outer: inner (Kind::Directory)",
        "inner: renamed (Kind::File)",
        "gone: Some(NotFound)",
    ];
    assert_eq!(ended.printed().lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn every_refusal_has_its_own_word() {
    let ended = Stand::new().orchestrate(&["file-errors"]).await;
    let expected = [
        "read nothing: not found",
        "read a directory: is a directory",
        "read through a file: not a directory",
        "read too much: limit reached: more than 3 bytes",
        "stat nothing: not found",
        "list a file: not a directory",
        "write into nothing: not found",
        "write a directory: is a directory",
        "write what is not ours: permission denied",
        "write too little: invalid argument: length: not as many bytes came",
        "write too much: invalid argument: length: not as many bytes came",
        "write set-user-id: invalid argument: mode: 4755 is more than permissions",
        "make twice: already exists",
        "rename nothing: not found",
        "remove what is full: directory not empty",
        "watch nothing: not found",
        "a relative path: invalid argument: path: \"file\" is not absolute",
        "the file: four",
    ];
    assert_eq!(ended.printed().lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn sixty_four_mebibytes_are_written_and_read_back_byte_for_byte() {
    let ended = Stand::new().orchestrate(&["file-bytes", "64"]).await;
    assert_eq!(ended.printed(), "67108864 bytes ok\n");
}

#[tokio::test]
async fn a_thousand_small_files_are_written_and_read_back() {
    assert_eq!(Stand::new().orchestrate(&["small-files", "1000"]).await.printed(), "1000 files ok\n");
}

#[tokio::test]
async fn what_is_not_finished_leaves_the_old_file_as_it_was() {
    let ended = Stand::new().orchestrate(&["file-drafts"]).await;
    let expected = [
        "dropped: old",
        "dropped at once: old",
        "short: Some(InvalidArgument(\"length: not as many bytes came\"))",
        "short: old",
        "half: old",
        "whole: half and half",
        "nothing: \"\"",
    ];
    assert_eq!(ended.printed().lines().collect::<Vec<_>>(), expected);
}

/// How the last operation on a file ended, by the audit log.
fn last_end(stand: &Stand) -> String {
    stand.audit.entries().iter().rfind(|entry| entry.starts_with("Finished")).cloned().unwrap()
}

/// Overwrites a file and leaves in this way. The file was given up.
async fn abandon(how: &str, limits: RunLimits) -> Ended {
    let stand = Stand::new();
    let ended = stand.run_within(orchestrator(), &["file-abandon", how, "/tmp/file"], limits).await;
    assert_eq!(ended.stdout, "written\n");
    assert!(last_end(&stand).contains("error: Some(\"gone\")"), "{}", last_end(&stand));
    ended
}

#[tokio::test]
async fn a_guest_that_traps_finishes_no_file() {
    let ended = abandon("trap", RunLimits::default()).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
}

#[tokio::test]
async fn a_guest_that_ends_with_a_stream_open_finishes_no_file() {
    let ended = abandon("end", RunLimits::default()).await;
    assert_eq!(ended.code.unwrap(), 0);
}

#[tokio::test]
async fn a_guest_that_is_stopped_finishes_no_file() {
    for how in ["spin", "wait"] {
        let ended = abandon(how, soon()).await;
        assert!(matches!(ended.error(), RunError::TimedOut { .. }), "{how}: {ended:?}");
    }
}

#[tokio::test]
async fn a_watch_sees_all_that_happens_after_the_call_that_begins_it() {
    let ended = Stand::new().orchestrate(&["watch"]).await;
    let expected = [
        "ChangeKind::Created /tmp/watched/inner",
        "ChangeKind::Renamed /tmp/watched/other",
        "ChangeKind::Removed /tmp/watched/other",
        "ChangeKind::Removed /tmp/watched",
    ];
    assert_eq!(ended.printed().lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn changes_wait_for_a_late_reader_up_to_a_limit() {
    let stand = Stand::new();
    let few = stand.orchestrate(&["watch-flood", "1000"]).await;
    assert_eq!(few.printed(), "exited with 0: 1000 created, all\n");
    let many = stand.orchestrate(&["watch-flood", "20000"]).await;
    assert!(many.printed().ends_with(", limit reached: changes that wait to be read\n"), "{many:?}");
}

#[tokio::test]
async fn a_stream_that_is_handed_on_unread_arrives_whole() {
    let ended = Stand::new().orchestrate(&["pass-on"]).await;
    assert_eq!(ended.printed(), "\"hello\\n\"\n0 unsent, 300000 copied\n");
}

#[tokio::test]
async fn a_thousand_streams_that_nobody_touches_change_nothing() {
    let ended = Stand::new().orchestrate(&["file-handles", "1000"]).await;
    assert_eq!(ended.printed(), "1000 unread\n1000 unwritten\nas before\n");
}

#[tokio::test]
async fn ten_thousand_unread_streams_are_too_many_handles() {
    let ended = Stand::new().orchestrate(&["file-handles", "10000"]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
}

#[tokio::test]
async fn a_policy_decides_about_each_file_and_its_rule_is_told() {
    let denying = policy(&built("test-policy-deny"), PolicyLimits::default()).unwrap();
    let stand = Stand::with_policies(vec![Arc::new(denying) as Arc<dyn Policy>]);
    let ended = stand.orchestrate(&["file-errors"]).await;
    let RunError::GaveUp(why) = ended.error() else { panic!("{ended:?}") };
    assert_eq!(why, "denied by rule test-deny: this policy denies every command");
    assert!(stand.audit.entries().iter().any(|entry| entry.contains("/tmp/file")), "not in the audit log");
}
