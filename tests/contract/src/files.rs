//! Files through the host, and through the commands of their sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use mimobox_sandbox::{
    Command, Error, ExitStatus, FileKind, Limits, MakeDirectory, ReadFile, Remove, Rename, Result, Sandbox,
    Spec, Watch, WriteFile,
};

use crate::streams::{MEBIBYTE, noise};
use crate::{Harness, sandbox};

pub(crate) async fn write(sandbox: &Sandbox, path: &str, bytes: &[u8]) -> Result<()> {
    write_as(sandbox, WriteFile::new(path), bytes).await
}

async fn write_as(sandbox: &Sandbox, request: WriteFile, bytes: &[u8]) -> Result<()> {
    let mut writing = sandbox.write_file(request).await?;
    writing.write(bytes).await?;
    writing.finish().await
}

pub(crate) async fn read(sandbox: &Sandbox, path: &str) -> Result<Vec<u8>> {
    sandbox.read_file(ReadFile::whole(path)).await?.to_vec(4 * MEBIBYTE).await
}

pub(crate) async fn names(sandbox: &Sandbox, directory: &str) -> Vec<String> {
    let entries = sandbox.read_directory(directory.into()).await.unwrap();
    let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

pub(crate) async fn make_directory(sandbox: &Sandbox, path: &str) {
    sandbox.make_directory(MakeDirectory { path: path.into(), parents: false }).await.unwrap();
}

/// Runs a command that must do well, and gives its standard output.
pub(crate) async fn output_of(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Vec<u8> {
    let finished = sandbox.execute(Command::new(program).arguments(arguments.iter().copied()), vec![]).await;
    let finished = finished.unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(0), "{}", String::from_utf8_lossy(&finished.stderr));
    finished.stdout
}

fn rename(source: &str, target: &str) -> Rename {
    Rename { source: source.into(), target: target.into() }
}

fn remove(path: &str, recursive: bool) -> Remove {
    Remove { path: path.into(), recursive }
}

/// More than any pipe or buffer holds.
pub async fn sixty_four_mebibytes_are_kept_in_a_file(harness: &impl Harness) {
    let run = harness.run();
    let bytes = |mebibytes: usize| Some((mebibytes * MEBIBYTE) as u64);
    let limits = Limits { memory: bytes(512), disk: bytes(100), ..Limits::default() };
    let sandbox = run.create(Spec { limits, ..Spec::default() }).await.unwrap();
    let request = WriteFile { length: bytes(64), ..WriteFile::new("/tmp/large") };
    let mut writing = sandbox.write_file(request).await.unwrap();
    for block in 1..=64 {
        writing.write(&noise(block, MEBIBYTE)).await.unwrap();
    }
    writing.finish().await.unwrap();
    assert_eq!(sandbox.file_entry("/tmp/large".into()).await.unwrap().size, bytes(64).unwrap());
    let mut reading = sandbox.read_file(ReadFile::whole("/tmp/large")).await.unwrap();
    let mut received = vec![0; MEBIBYTE];
    for block in 1..=64 {
        tokio::io::AsyncReadExt::read_exact(&mut reading, &mut received).await.unwrap();
        assert!(received == noise(block, MEBIBYTE), "mebibyte {block} differs");
    }
    assert_eq!(reading.to_vec(0).await, Ok(vec![]));
}

/// Both ways.
pub async fn commands_and_the_host_see_the_same_files(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/from-the-host", b"hello").await.unwrap();
    assert_eq!(output_of(&sandbox, "cat", &["/tmp/from-the-host"]).await, b"hello");
    let tee = Command::new("tee").arguments(["/tmp/from-a-command"]);
    sandbox.execute(tee, b"and back".to_vec()).await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/from-a-command").await.unwrap(), b"and back");
}

/// Whoever reads meanwhile has all of the old one.
pub async fn a_file_is_replaced_when_its_last_byte_is_in(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/file", b"old").await.unwrap();
    let mut writing = sandbox.write_file(WriteFile::new("/tmp/file")).await.unwrap();
    writing.write(b"new").await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/file").await.unwrap(), b"old");
    writing.finish().await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/file").await.unwrap(), b"new");
}

/// Neither its bytes nor a name beside it.
pub async fn a_dropped_writing_leaves_nothing(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/place").await;
    write(&sandbox, "/tmp/place/old", b"old").await.unwrap();
    for path in ["/tmp/place/old", "/tmp/place/new"] {
        let mut writing = sandbox.write_file(WriteFile::new(path)).await.unwrap();
        writing.write(b"half of it").await.unwrap();
        drop(writing);
    }
    // Its stop takes a while.
    while names(&sandbox, "/tmp/place").await != ["old"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(read(&sandbox, "/tmp/place/old").await.unwrap(), b"old");
}

/// Whether fewer bytes come or more.
pub async fn a_file_of_another_length_than_announced_is_refused(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/file", b"old").await.unwrap();
    let announced = WriteFile { length: Some(4), ..WriteFile::new("/tmp/file") };
    for wrong in ["fe", "far too many"] {
        let written = write_as(&sandbox, announced.clone(), wrong.as_bytes()).await;
        assert!(matches!(written, Err(Error::InvalidArgument(_))), "{wrong:?}: {written:?}");
        assert_eq!(read(&sandbox, "/tmp/file").await.unwrap(), b"old");
    }
    write_as(&sandbox, announced, b"four").await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/file").await.unwrap(), b"four");
}

/// And a file that is not there begins with them.
pub async fn bytes_are_put_behind_those_that_are_there(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let append = WriteFile { append: true, ..WriteFile::new("/tmp/log") };
    write_as(&sandbox, append.clone(), b"one ").await.unwrap();
    write_as(&sandbox, append, b"two").await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/log").await.unwrap(), b"one two");
}

/// Bytes past the end are none, and no error.
pub async fn part_of_a_file_is_read(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/digits", b"0123456789").await.unwrap();
    for (offset, length, expected) in [
        (3, Some(4), "3456"),
        (8, Some(100), "89"),
        (8, None, "89"),
        (10, None, ""),
        (1 << 40, Some(1), ""),
        (0, Some(0), ""),
    ] {
        let request = ReadFile { offset, length, ..ReadFile::whole("/tmp/digits") };
        let reading = sandbox.read_file(request).await.unwrap();
        assert_eq!(reading.to_vec(100).await.unwrap(), expected.as_bytes(), "from {offset}, {length:?}");
    }
}

/// Whatever is asked of it.
pub async fn a_file_that_is_not_there_is_not_found(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let missing = || "/tmp/missing".to_owned();
    assert_eq!(read(&sandbox, "/tmp/missing").await, Err(Error::NotFound));
    assert_eq!(write(&sandbox, "/tmp/missing/file", b"").await, Err(Error::NotFound));
    assert_eq!(sandbox.file_entry(missing()).await, Err(Error::NotFound));
    assert_eq!(sandbox.read_directory(missing()).await, Err(Error::NotFound));
    assert_eq!(sandbox.rename(rename("/tmp/missing", "/tmp/other")).await, Err(Error::NotFound));
    assert_eq!(sandbox.remove(remove("/tmp/missing", true)).await, Err(Error::NotFound));
    let watching = sandbox.watch(Watch { path: missing(), recursive: false }).await;
    assert_eq!(watching.err(), Some(Error::NotFound));
    let below = MakeDirectory { path: "/tmp/missing/below".into(), parents: false };
    assert_eq!(sandbox.make_directory(below).await, Err(Error::NotFound));
    // And nothing is wrong with the sandbox.
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

/// A directory has no bytes, and a file no members.
pub async fn directories_and_files_are_told_apart(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/directory").await;
    write(&sandbox, "/tmp/file", b"bytes").await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/directory").await, Err(Error::IsADirectory));
    assert_eq!(write(&sandbox, "/tmp/directory", b"bytes").await, Err(Error::IsADirectory));
    assert_eq!(sandbox.read_directory("/tmp/file".into()).await, Err(Error::NotADirectory));
    assert_eq!(read(&sandbox, "/tmp/file/below").await, Err(Error::NotADirectory));
    assert_eq!(sandbox.rename(rename("/tmp/file", "/tmp/directory")).await, Err(Error::IsADirectory));
    assert_eq!(sandbox.rename(rename("/tmp/directory", "/tmp/file")).await, Err(Error::NotADirectory));
}

/// Each with what is known of it; a link is no more than a link.
pub async fn a_directory_s_members_are_listed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/place").await;
    assert_eq!(sandbox.read_directory("/tmp/place".into()).await, Ok(vec![]));
    make_directory(&sandbox, "/tmp/place/directory").await;
    write(&sandbox, "/tmp/place/file", b"bytes").await.unwrap();
    output_of(&sandbox, "ln", &["-s", "file", "/tmp/place/link"]).await;
    let entries = sandbox.read_directory("/tmp/place".into()).await.unwrap();
    let kinds: BTreeMap<_, _> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    let expected =
        [("directory", FileKind::Directory), ("file", FileKind::File), ("link", FileKind::SymbolicLink)];
    assert_eq!(kinds, BTreeMap::from(expected));
    for listed in entries {
        let alone = sandbox.file_entry(format!("/tmp/place/{}", listed.name)).await;
        assert_eq!(alone, Ok(listed));
    }
}

/// A thousand, which no single message of a backend holds.
pub async fn a_directory_of_a_thousand_files_is_listed_whole(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/many").await;
    let name = |number: usize| format!("{number:04}-{}", "x".repeat(200));
    for number in 0..1000 {
        write(&sandbox, &format!("/tmp/many/{}", name(number)), b"").await.unwrap();
    }
    assert_eq!(names(&sandbox, "/tmp/many").await, (0..1000).map(name).collect::<Vec<_>>());
}

/// An old file keeps its own.
pub async fn a_new_file_has_the_permissions_that_were_asked_for(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mode = async || sandbox.file_entry("/tmp/file".into()).await.unwrap().mode;
    for asked in [0o640, 0o777] {
        write_as(&sandbox, WriteFile { mode: asked, ..WriteFile::new("/tmp/file") }, b"").await.unwrap();
        assert_eq!(mode().await, 0o640);
    }
}

/// With those above it, or not at all.
pub async fn a_directory_is_made(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let make = |path: &str, parents| sandbox.make_directory(MakeDirectory { path: path.into(), parents });
    assert_eq!(make("/tmp/a", false).await, Ok(()));
    assert_eq!(make("/tmp/a", false).await, Err(Error::AlreadyExists));
    assert_eq!(make("/tmp/a/b/c", false).await, Err(Error::NotFound));
    assert_eq!(make("/tmp/a/b/c", true).await, Ok(()));
    assert_eq!(make("/tmp/a/b/c", true).await, Ok(()));
    assert_eq!(names(&sandbox, "/tmp/a/b").await, ["c"]);
    write(&sandbox, "/tmp/file", b"").await.unwrap();
    assert_eq!(make("/tmp/file", true).await, Err(Error::AlreadyExists));
    assert_eq!(make("/tmp/file/d", true).await, Err(Error::NotADirectory));
}

/// And what had the name is gone.
pub async fn a_rename_replaces(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/old", b"old").await.unwrap();
    write(&sandbox, "/tmp/new", b"new").await.unwrap();
    sandbox.rename(rename("/tmp/new", "/tmp/old")).await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/old").await.unwrap(), b"new");
    assert_eq!(read(&sandbox, "/tmp/new").await, Err(Error::NotFound));
}

/// All that is below it comes along; what holds something is not replaced.
pub async fn a_directory_is_renamed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/a").await;
    make_directory(&sandbox, "/tmp/b").await;
    write(&sandbox, "/tmp/a/file", b"bytes").await.unwrap();
    let into_itself = sandbox.rename(rename("/tmp/a", "/tmp/a/below")).await;
    assert!(matches!(into_itself, Err(Error::InvalidArgument(_))), "{into_itself:?}");
    assert_eq!(sandbox.rename(rename("/tmp/b", "/tmp/a")).await, Err(Error::DirectoryNotEmpty));
    sandbox.rename(rename("/tmp/a", "/tmp/b")).await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/b/file").await.unwrap(), b"bytes");
    assert_eq!(names(&sandbox, "/tmp").await.iter().filter(|name| *name == "a").count(), 0);
}

/// A directory with members only where that was said.
pub async fn files_and_directories_are_removed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/place").await;
    make_directory(&sandbox, "/tmp/place/below").await;
    write(&sandbox, "/tmp/place/below/file", b"bytes").await.unwrap();
    assert_eq!(sandbox.remove(remove("/tmp/place", false)).await, Err(Error::DirectoryNotEmpty));
    assert_eq!(read(&sandbox, "/tmp/place/below/file").await.unwrap(), b"bytes");
    sandbox.remove(remove("/tmp/place/below/file", false)).await.unwrap();
    sandbox.remove(remove("/tmp/place/below", false)).await.unwrap();
    write(&sandbox, "/tmp/place/file", b"bytes").await.unwrap();
    sandbox.remove(remove("/tmp/place", true)).await.unwrap();
    assert_eq!(sandbox.file_entry("/tmp/place".into()).await, Err(Error::NotFound));
}

/// What it leads to stays, whatever is in there.
pub async fn a_removed_link_is_only_a_link(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    make_directory(&sandbox, "/tmp/kept").await;
    write(&sandbox, "/tmp/kept/file", b"bytes").await.unwrap();
    make_directory(&sandbox, "/tmp/place").await;
    output_of(&sandbox, "ln", &["-s", "/tmp/kept", "/tmp/place/link"]).await;
    sandbox.remove(remove("/tmp/place", true)).await.unwrap();
    assert_eq!(read(&sandbox, "/tmp/kept/file").await.unwrap(), b"bytes");
}

/// The sandbox's root is the root, however many steps lead up.
pub async fn no_path_leads_out(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/file", b"inside").await.unwrap();
    let up = "/..".repeat(40);
    assert_eq!(read(&sandbox, &format!("/tmp{up}/tmp/file")).await.unwrap(), b"inside");
    output_of(&sandbox, "ln", &["-s", &format!("..{up}"), "/tmp/root"]).await;
    output_of(&sandbox, "ln", &["-s", "/tmp/file", "/tmp/link"]).await;
    for path in ["/tmp/root/tmp/file", "/tmp/link", "/tmp/root/tmp/link"] {
        assert_eq!(read(&sandbox, path).await.unwrap(), b"inside", "{path}");
    }
    write(&sandbox, "/tmp/root/tmp/other", b"inside too").await.unwrap();
    assert_eq!(output_of(&sandbox, "cat", &["/tmp/other"]).await, b"inside too");
}

/// Rather than followed for ever.
pub async fn links_that_go_round_are_refused(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    output_of(&sandbox, "ln", &["-s", "/tmp/b", "/tmp/a"]).await;
    output_of(&sandbox, "ln", &["-s", "/tmp/a", "/tmp/b"]).await;
    let round = read(&sandbox, "/tmp/a").await;
    assert!(matches!(round, Err(Error::InvalidArgument(_))), "{round:?}");
}

/// Neither made nor changed.
pub async fn what_the_user_may_not_write_is_refused(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let make = MakeDirectory { path: "/etc/new".into(), parents: false };
    assert_eq!(write(&sandbox, "/etc/new", b"").await, Err(Error::PermissionDenied));
    assert_eq!(sandbox.make_directory(make).await, Err(Error::PermissionDenied));
    assert_eq!(sandbox.remove(remove("/etc", true)).await, Err(Error::PermissionDenied));
}

/// And the old file is as it was; when something is removed there is room again.
pub async fn a_full_disk_is_a_limit(harness: &impl Harness) {
    let run = harness.run();
    let limits = Limits { disk: Some(4 * MEBIBYTE as u64), ..Limits::default() };
    let sandbox = run.create(Spec { limits, ..Spec::default() }).await.unwrap();
    write(&sandbox, "/tmp/file", b"old").await.unwrap();
    let five = noise(1, 5 * MEBIBYTE);
    assert_eq!(write(&sandbox, "/tmp/file", &five).await, Err(Error::LimitReached("disk".into())));
    assert_eq!(read(&sandbox, "/tmp/file").await.unwrap(), b"old");
    let three = five.get(..3 * MEBIBYTE).unwrap();
    write(&sandbox, "/tmp/other", three).await.unwrap();
    assert_eq!(write(&sandbox, "/tmp/file", three).await, Err(Error::LimitReached("disk".into())));
    sandbox.remove(remove("/tmp/other", false)).await.unwrap();
    write(&sandbox, "/tmp/file", three).await.unwrap();
    assert!(read(&sandbox, "/tmp/file").await.unwrap() == three);
}

/// Not even by the same path.
pub async fn files_of_one_sandbox_are_not_seen_in_another(harness: &impl Harness) {
    let run = harness.run();
    let (one, other) =
        (run.create(Spec::default()).await.unwrap(), run.create(Spec::default()).await.unwrap());
    write(&one, "/tmp/mine", b"mine").await.unwrap();
    assert_eq!(read(&other, "/tmp/mine").await, Err(Error::NotFound));
}

/// And what was being read ends with an error, never as if it had been read to its end.
pub async fn files_are_gone_with_their_sandbox(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    write(&sandbox, "/tmp/file", &noise(1, MEBIBYTE)).await.unwrap();
    let reading = sandbox.read_file(ReadFile::whole("/tmp/file")).await.unwrap();
    let mut writing = sandbox.write_file(WriteFile::new("/tmp/other")).await.unwrap();
    writing.write(b"half").await.unwrap();
    sandbox.close().await.unwrap();
    assert_eq!(reading.to_vec(2 * MEBIBYTE).await, Err(Error::Gone));
    assert_eq!(writing.finish().await, Err(Error::Gone));
    assert_eq!(read(&sandbox, "/tmp/file").await, Err(Error::Gone));
    assert_eq!(sandbox.file_entry("/tmp/file".into()).await, Err(Error::Gone));
}
