//! The wire format: every message there and back, and the bytes that this version has promised.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use mimobox_protocol::{
    ChangeKind, Command, DecodeError, Decoder, EncodeError, ExitStatus, FileEntry, FileKind, FileOperation,
    Hello, HelloError, Limit, MAX_FRAME, MachineRoot, MachineUsage, MachineVolume, Request, Resource,
    Response, SetUp, SetUpAnswer, SetUpFailure, Signal, SignalFailure, SpawnFailure, Stdin, TerminalSize,
    UsageFailure, VERSION, WatchMessage, encode,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn spawn() -> Request {
    let resources = [
        Resource::AddressSpace,
        Resource::CoreSize,
        Resource::CpuSeconds,
        Resource::Data,
        Resource::FileSize,
        Resource::LockedMemory,
        Resource::OpenFiles,
        Resource::Processes,
        Resource::Stack,
    ];
    let limits = resources.into_iter().zip(0..).map(|(resource, value)| Limit { resource, value }).collect();
    let command = Command {
        program: "/bin/é".into(),
        arguments: vec![String::new(), "a b".into()],
        environment: vec![("PATH".into(), "/bin".into()), ("EMPTY".into(), String::new())],
        directory: "/home/sandbox".into(),
        user: Some("games".into()),
        limits,
    };
    Request::Spawn { id: 1, command, stdin: Stdin::Pipe }
}

fn requests() -> Vec<Request> {
    let signals = [
        Signal::HangUp,
        Signal::Interrupt,
        Signal::Quit,
        Signal::Kill,
        Signal::User1,
        Signal::User2,
        Signal::Terminate,
    ];
    let least = Request::Spawn { id: u32::MAX, command: Command::default(), stdin: Stdin::Null };
    let signals = signals.into_iter().zip(2..).map(|(signal, id)| Request::Signal { id, process: 1, signal });
    let size = TerminalSize { columns: 80, rows: u16::MAX };
    let terminal = [
        Request::OpenTerminal { id: 20, command: Command::default(), size },
        Request::Resize { id: 21, process: 20, size },
    ];
    let files = operations().into_iter().zip(30..).map(|(operation, id)| Request::File { id, operation });
    [spawn(), least]
        .into_iter()
        .chain(signals)
        .chain(terminal)
        .chain(files)
        .chain([Request::Save { id: 40 }, Request::Restore { id: 41 }, Request::Usage { id: 42 }])
        .collect()
}

fn operations() -> [FileOperation; 8] {
    let path = || "/home/sandbox/é".to_owned();
    [
        FileOperation::Read { path: path(), offset: u64::MAX, length: None },
        FileOperation::Write { path: path(), mode: 0o644, length: Some(1), append: true },
        FileOperation::Stat { path: path() },
        FileOperation::ReadDirectory { path: path() },
        FileOperation::MakeDirectory { path: path(), parents: true },
        FileOperation::Rename { source: path(), target: String::new() },
        FileOperation::Remove { path: path(), recursive: false },
        FileOperation::Watch { path: path(), recursive: true },
    ]
}

fn entries() -> Vec<FileEntry> {
    let kinds = [FileKind::File, FileKind::Directory, FileKind::SymbolicLink, FileKind::Other];
    let entry = |kind| FileEntry {
        name: "é".into(),
        kind,
        size: u64::MAX,
        mode: 0o7777,
        modified_seconds: 1,
        modified_nanoseconds: 999_999_999,
    };
    kinds.map(entry).to_vec()
}

fn watch_messages() -> Vec<WatchMessage> {
    let kinds = [ChangeKind::Created, ChangeKind::Modified, ChangeKind::Removed, ChangeKind::Renamed];
    let changes = kinds.map(|kind| WatchMessage::Changed { path: "/tmp/a".into(), kind });
    [WatchMessage::Ready].into_iter().chain(changes).collect()
}

fn responses() -> Vec<Response> {
    let failures = [
        SpawnFailure::NotFound,
        SpawnFailure::PermissionDenied,
        SpawnFailure::IsADirectory,
        SpawnFailure::NotExecutable,
        SpawnFailure::ArgumentsTooLong,
        SpawnFailure::DirectoryNotFound,
        SpawnFailure::UserNotFound,
        SpawnFailure::LimitReached,
        SpawnFailure::InvalidString,
        SpawnFailure::Failed(-1),
    ];
    let refused = failures.into_iter().zip(0..).map(|(failure, id)| Response::Refused { id, failure });
    [
        Response::Started { id: 0 },
        Response::Ended { id: 300, status: ExitStatus::Exited(255) },
        Response::Ended { id: 70_000, status: ExitStatus::Signaled(9) },
        Response::Signalled { id: u32::MAX, delivered: Ok(()) },
        Response::Signalled { id: 5, delivered: Err(SignalFailure::NotFound) },
        Response::Signalled { id: 6, delivered: Err(SignalFailure::Failed(i32::MAX)) },
        Response::Resized { id: 21, resized: Ok(()) },
        Response::Used { id: 42, usage: Ok(MachineUsage { processes: 7, memory: u64::MAX, free: 0 }) },
        Response::Used { id: 43, usage: Err(UsageFailure::NotAMachine) },
        Response::Used { id: 44, usage: Err(UsageFailure::Failed(-1)) },
    ]
    .into_iter()
    .chain(refused)
    .collect()
}

fn set_ups() -> Vec<SetUp> {
    let volume = |disk| MachineVolume { disk, path: "/data/é".into() };
    let full = SetUp {
        clock_seconds: u64::MAX,
        clock_nanoseconds: 999_999_999,
        entropy: std::array::from_fn(|place| u8::try_from(place).unwrap()),
        host_name: "machine".into(),
        root: MachineRoot::Disk(1),
        writable: 1 << 30,
        volumes: vec![volume(2), volume(3)],
        processes: 256,
    };
    vec![SetUp { root: MachineRoot::Base, volumes: Vec::new(), ..full.clone() }, full]
}

fn set_up_answers() -> Vec<SetUpAnswer> {
    let failures = [
        SetUpFailure::NotUnderstood,
        SetUpFailure::Invalid,
        SetUpFailure::Clock,
        SetUpFailure::Entropy,
        SetUpFailure::HostName,
        SetUpFailure::Image,
        SetUpFailure::Root,
        SetUpFailure::Volume(1),
        SetUpFailure::Processes,
        SetUpFailure::Agent,
    ];
    [SetUpAnswer::Done].into_iter().chain(failures.map(SetUpAnswer::Failed)).collect()
}

fn frames<T: Serialize>(messages: &[T]) -> Vec<u8> {
    messages.iter().flat_map(|message| encode(message).unwrap()).collect()
}

fn decode<T: DeserializeOwned>(mut input: &[u8]) -> Result<Vec<T>, DecodeError> {
    let mut decoder = Decoder::new();
    std::iter::from_fn(|| decoder.next(&mut input).transpose()).collect()
}

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/protocol_decode").join(name)
}

#[test]
fn every_message_survives() {
    assert_eq!(decode(&frames(&requests())), Ok(requests()));
    assert_eq!(decode(&frames(&responses())), Ok(responses()));
    assert_eq!(decode(&frames(&[Hello::OURS])), Ok(vec![Hello::OURS]));
    assert_eq!(decode(&frames(&entries())), Ok(entries()));
    assert_eq!(decode(&frames(&watch_messages())), Ok(watch_messages()));
    assert_eq!(decode(&frames(&set_ups())), Ok(set_ups()));
    assert_eq!(decode(&frames(&set_up_answers())), Ok(set_up_answers()));
}

#[test]
fn what_is_shown_of_a_set_up_does_not_hold_its_entropy() {
    let shown = format!("{:?}", set_ups());
    assert!(
        shown.contains("machine") && !shown.contains("entropy") && !shown.contains("29, 30, 31"),
        "{shown}"
    );
}

/// If this fails, agents and hosts of before no longer understand those of now: raise the version, then write
/// the files anew from what `frames` returns.
#[test]
fn the_bytes_of_this_version_stay_as_they_are() {
    assert_eq!(VERSION, 3);
    for (name, bytes) in [
        ("requests", frames(&requests())),
        ("responses", frames(&responses())),
        ("hello", frames(&[Hello::OURS])),
        ("entries", frames(&entries())),
        ("watch", frames(&watch_messages())),
        ("set_ups", frames(&set_ups())),
        ("set_up_answers", frames(&set_up_answers())),
    ] {
        assert_eq!(std::fs::read(corpus(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_frame_split_anywhere_is_whole_again() {
    let frame = encode(&spawn()).unwrap();
    for at in 0..=frame.len() {
        let (mut first, mut second) = frame.split_at(at);
        let mut decoder = Decoder::new();
        let early: Option<Request> = decoder.next(&mut first).unwrap();
        assert_eq!(early.is_some(), at == frame.len());
        assert_eq!(decoder.is_between_frames(), at == 0 || at == frame.len());
        let late: Option<Request> = decoder.next(&mut second).unwrap();
        assert_eq!(early.or(late), Some(spawn()), "split at {at}");
        assert!(decoder.is_between_frames());
    }
}

#[test]
fn a_frame_cut_short_is_never_a_message() {
    let frame = encode(&spawn()).unwrap();
    for length in 0..frame.len() {
        assert_eq!(decode::<Request>(&frame[..length]), Ok(vec![]), "{length} bytes");
    }
}

#[test]
fn a_body_cut_short_is_an_error() {
    let frame = encode(&spawn()).unwrap();
    for length in 0..frame.len() - 4 {
        let mut cut = u32::try_from(length).unwrap().to_le_bytes().to_vec();
        cut.extend_from_slice(&frame[4..4 + length]);
        assert!(matches!(decode::<Request>(&cut), Err(DecodeError::Message(_))), "{length} bytes");
    }
}

#[test]
fn a_body_that_goes_on_is_an_error() {
    let mut frame = encode(&Response::Started { id: 1 }).unwrap();
    frame.push(0);
    frame[0] += 1;
    assert_eq!(decode::<Response>(&frame), Err(DecodeError::TrailingBytes(1)));
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
    let announced = u32::try_from(MAX_FRAME).unwrap() + 1;
    for announced in [announced, u32::MAX] {
        let expected = Err(DecodeError::TooLong { announced });
        assert_eq!(decode::<Request>(&announced.to_le_bytes()), expected);
        let mut decoder = Decoder::new();
        for mut byte in announced.to_le_bytes().chunks(1).take(3) {
            assert_eq!(decoder.next::<Request>(&mut byte), Ok(None));
        }
        let [.., last] = announced.to_le_bytes();
        assert_eq!(decoder.next::<Request>(&mut &[last][..]), Err(DecodeError::TooLong { announced }));
    }
}

#[test]
fn the_longest_frame_is_taken_and_a_longer_one_is_never_made() {
    let with_argument = |length| Request::Spawn {
        id: 1,
        command: Command { arguments: vec!["x".repeat(length)], ..Command::default() },
        stdin: Stdin::Null,
    };
    let rest = encode(&with_argument(MAX_FRAME / 2)).unwrap().len() - 4 - MAX_FRAME / 2;
    let longest = with_argument(MAX_FRAME - rest);
    let frame = encode(&longest).unwrap();
    assert_eq!(frame.len(), 4 + MAX_FRAME);
    assert_eq!(decode(&frame), Ok(vec![longest]));
    assert_eq!(encode(&with_argument(MAX_FRAME - rest + 1)), Err(EncodeError::TooLong));
}

#[test]
fn an_unknown_variant_is_an_error() {
    for body in [&[6][..], &[127], &[255, 255, 255, 255, 15], &[2, 0, 2, 0], &[3, 0, 2]] {
        let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(body);
        assert!(matches!(decode::<Response>(&frame), Err(DecodeError::Message(_))), "{body:?}");
    }
}

#[test]
fn only_this_version_is_agreed_with() {
    let hello = |bytes: &[u8; 5]| {
        let frame = [&[5, 0, 0, 0], &bytes[..]].concat();
        decode::<Hello>(&frame).unwrap().remove(0).check()
    };
    assert_eq!(hello(b"mimo\x03"), Ok(()));
    assert_eq!(hello(b"mimo\x02"), Err(HelloError::OtherVersion { theirs: 2 }));
    assert_eq!(hello(b"http\x03"), Err(HelloError::NotThisProtocol));
}
