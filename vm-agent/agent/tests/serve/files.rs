//! Operations on files.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use mimobox_protocol::{
    Decoder, ExitStatus, FileEntry, FileFailure, FileKind, FileOperation, FilePipe, Request, Signal, outcome,
};
use tempfile::TempDir;

use crate::harness::Agent;
use crate::raw_host::{RawHost, pipe};

/// An agent, and a folder to work in.
pub(crate) struct Desk {
    _agent: Agent,
    pub(crate) host: RawHost,
    pub(crate) folder: TempDir,
}

/// An operation under way, and the host's end of its pipe.
pub(crate) struct Started {
    pub(crate) id: u32,
    pub(crate) pipe: Option<File>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::new_after("")
    }

    /// With an agent that inherits what the shell has done to itself.
    fn new_after(preparation: &str) -> Self {
        let (agent, host) = RawHost::greeted_after(preparation);
        Self { _agent: agent, host, folder: tempfile::tempdir().unwrap() }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.path().display())
    }

    fn names(&self) -> Vec<String> {
        let members = fs::read_dir(self.folder.path()).unwrap();
        members.map(|member| member.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(crate) fn start(&mut self, operation: FileOperation) -> Started {
        let id = self.host.id();
        let kind = operation.pipe();
        let request = Request::File { id, operation };
        let (read, write) = pipe();
        let (descriptors, pipe) = match kind {
            FilePipe::None => (vec![], None),
            FilePipe::ToAgent => (vec![read], Some(write.into())),
            FilePipe::FromAgent => (vec![write], Some(read.into())),
        };
        self.host.start_process(&request, id, &descriptors).unwrap();
        Started { id, pipe }
    }

    pub(crate) fn end(&mut self, started: &Started) -> Result<(), FileFailure> {
        outcome(self.host.end(started.id))
    }

    /// An operation without input: what it writes, or why it failed.
    fn get(&mut self, operation: FileOperation) -> Result<Vec<u8>, FileFailure> {
        let mut started = self.start(operation);
        let mut output = Vec::new();
        if let Some(mut pipe) = started.pipe.take() {
            pipe.read_to_end(&mut output).unwrap();
        }
        self.end(&started).map(|()| output)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, FileFailure> {
        self.get(FileOperation::Read { path: path.into(), offset: 0, length: None })
    }

    fn entries(&mut self, operation: FileOperation) -> Result<Vec<FileEntry>, FileFailure> {
        let bytes = self.get(operation)?;
        let (mut decoder, mut input, mut entries) = (Decoder::new(), &bytes[..], Vec::new());
        while let Some(entry) = decoder.next(&mut input).unwrap() {
            entries.push(entry);
        }
        Ok(entries)
    }

    fn stat(&mut self, path: &str) -> Result<FileEntry, FileFailure> {
        self.entries(FileOperation::Stat { path: path.into() }).map(|mut entries| entries.remove(0))
    }

    fn write(&mut self, path: &str, bytes: &[u8], length: Option<u64>) -> Result<(), FileFailure> {
        let mut started = self.start(writing(path, length));
        // An agent that has had enough closes the pipe.
        let _ = started.pipe.take().unwrap().write_all(bytes);
        self.end(&started)
    }
}

fn writing(path: &str, length: Option<u64>) -> FileOperation {
    FileOperation::Write { path: path.into(), mode: 0o640, length, append: false }
}

fn remove(path: &str, recursive: bool) -> FileOperation {
    FileOperation::Remove { path: path.into(), recursive }
}

fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[test]
fn sixty_four_mib_are_written_and_read_byte_for_byte() {
    let mut desk = Desk::new();
    let (path, sent) = (desk.path("large"), bytes(64 * 1024 * 1024 + 1));
    desk.write(&path, &sent, Some(64 * 1024 * 1024 + 1)).unwrap();
    assert!(fs::read(&path).unwrap() == sent);
    assert!(desk.read(&path).unwrap() == sent);
}

#[test]
fn a_part_of_a_file_is_read() {
    let mut desk = Desk::new();
    let path = desk.path("file");
    fs::write(&path, "0123456789").unwrap();
    for (offset, length, expected) in [
        (0, None, "0123456789"),
        (4, None, "456789"),
        (4, Some(3), "456"),
        (8, Some(100), "89"),
        (10, None, ""),
        (1 << 40, Some(1), ""),
        (3, Some(0), ""),
    ] {
        let read = desk.get(FileOperation::Read { path: path.clone(), offset, length }).unwrap();
        assert_eq!(read, expected.as_bytes(), "{offset} {length:?}");
    }
}

#[test]
fn what_is_no_regular_file_is_not_read_and_blocks_nobody() {
    let mut desk = Desk::new();
    let (fifo, socket) = (desk.path("fifo"), desk.path("socket"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [fifo.as_str(), &socket, "/dev/zero"] {
        assert_eq!(desk.read(path), Err(FileFailure::NotAFile), "{path}");
        assert_eq!(desk.write(path, b"x", None), Err(FileFailure::NotAFile), "{path}");
    }
    let folder = desk.path("");
    assert_eq!(desk.read(&folder), Err(FileFailure::IsADirectory));
    assert_eq!(desk.write(&folder, b"x", None), Err(FileFailure::IsADirectory));
    let folder = folder.trim_end_matches('/');
    assert_eq!(desk.write(folder, b"x", None), Err(FileFailure::IsADirectory));
}

#[test]
fn files_of_proc_that_have_no_size_are_read() {
    let mut desk = Desk::new();
    let status = String::from_utf8(desk.read("/proc/self/status").unwrap()).unwrap();
    assert!(status.contains("SigBlk:"), "{status}");
    assert!(!desk.read("/proc/cpuinfo").unwrap().is_empty());
}

#[test]
fn paths_are_resolved_by_the_kernel() {
    let mut desk = Desk::new();
    let (file, link) = (desk.path("file"), desk.path("link"));
    fs::write(&file, "here").unwrap();
    symlink("file", &link).unwrap();
    let around = desk.path("../../../../../../../") + &file;
    for path in [link.as_str(), &format!("/proc/self/root{file}"), &around] {
        assert_eq!(desk.read(path).unwrap(), b"here", "{path}");
    }
}

#[test]
fn paths_that_make_no_sense_are_refused() {
    let mut desk = Desk::new();
    symlink("loop", desk.path("loop")).unwrap();
    let (loops, long) = (desk.path("loop"), format!("/{}", "x".repeat(5000)));
    for path in ["", "relative", "/nul\0", &loops, &long] {
        assert_eq!(desk.read(path), Err(FileFailure::InvalidPath), "{path:?}");
        assert!(desk.write(path, b"", None).is_err(), "{path:?}");
    }
    assert_eq!(desk.read("/no/such"), Err(FileFailure::NotFound));
    assert_eq!(desk.read("/etc/passwd/x"), Err(FileFailure::NotADirectory));
}

#[test]
fn a_host_that_reads_no_more_has_what_it_wants() {
    let mut desk = Desk::new();
    let path = desk.path("large");
    fs::write(&path, bytes(4 * 1024 * 1024)).unwrap();
    let mut started = desk.start(FileOperation::Read { path, offset: 0, length: None });
    started.pipe.take().unwrap().read_exact(&mut [0; 100]).unwrap();
    assert_eq!(desk.end(&started), Ok(()));
}

#[test]
fn a_new_file_has_the_mode_asked_for_and_an_old_one_keeps_its_own() {
    let mut desk = Desk::new();
    let (new, old) = (desk.path("new"), desk.path("old"));
    fs::write(&old, "old").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o604)).unwrap();
    for (path, mode) in [(&new, 0o640), (&old, 0o604)] {
        desk.write(path, b"contents", Some(8)).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"contents");
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, mode);
    }
    assert_eq!(desk.names().len(), 2);
}

#[test]
fn another_length_than_announced_leaves_the_old_file() {
    let mut desk = Desk::new();
    let path = desk.path("file");
    fs::write(&path, "old").unwrap();
    for (sent, announced) in [(4, 5), (6, 5), (1 << 20, 5), (0, 1), (1, 0)] {
        assert_eq!(desk.write(&path, &bytes(sent), Some(announced)), Err(FileFailure::WrongLength));
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
    assert_eq!(desk.names(), ["file"]);
}

#[test]
fn killing_in_the_middle_leaves_the_old_file_and_no_other() {
    let mut desk = Desk::new();
    let path = desk.path("file");
    fs::write(&path, "old").unwrap();
    for (signal, number) in [(Signal::Terminate, 15), (Signal::Kill, 9)] {
        let mut started = desk.start(writing(&path, None));
        // More than the pipe holds, so that some of it is in the file.
        started.pipe.as_mut().unwrap().write_all(&bytes(1024 * 1024)).unwrap();
        desk.host.signal(started.id, signal).unwrap();
        assert_eq!(desk.host.end(started.id), ExitStatus::Signaled(number));
        assert_eq!(desk.names(), ["file"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}

#[test]
fn a_file_that_does_not_fit_leaves_the_old_one() {
    // A limit on files says the same as a full disk, without one.
    let mut desk = Desk::new_after("ulimit -f 100");
    let path = desk.path("file");
    fs::write(&path, "old").unwrap();
    assert_eq!(desk.write(&path, &bytes(1024 * 1024), None), Err(FileFailure::DiskFull));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(desk.names(), ["file"]);
}

#[test]
fn of_two_writers_one_wins_whole() {
    let mut desk = Desk::new();
    let path = desk.path("file");
    let contents = [vec![b'a'; 300_000], vec![b'b'; 200_000]];
    let started: Vec<_> = contents.iter().map(|_| desk.start(writing(&path, None))).collect();
    std::thread::scope(|scope| {
        for (started, contents) in started.iter().zip(&contents) {
            let mut pipe = started.pipe.as_ref().unwrap();
            scope.spawn(move || pipe.write_all(contents).unwrap());
        }
    });
    for mut started in started {
        drop(started.pipe.take());
        desk.end(&started).unwrap();
    }
    assert!(contents.contains(&fs::read(&path).unwrap()));
    assert_eq!(desk.names(), ["file"]);
}

#[test]
fn a_link_is_written_through_and_stays() {
    let mut desk = Desk::new();
    let (file, link, dangling) = (desk.path("file"), desk.path("link"), desk.path("dangling"));
    fs::write(&file, "old").unwrap();
    symlink("file", &link).unwrap();
    symlink("nowhere", &dangling).unwrap();
    desk.write(&link, b"new", None).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(desk.write(&dangling, b"new", None), Err(FileFailure::NotFound));
}

#[test]
fn bytes_are_put_behind_those_that_are_there() {
    let mut desk = Desk::new();
    let path = desk.path("file");
    for (text, length, expected) in
        [("one", None, Ok(())), ("two", Some(3), Ok(())), ("three", Some(9), Err(FileFailure::WrongLength))]
    {
        let operation = FileOperation::Write { path: path.clone(), mode: 0o600, length, append: true };
        let mut started = desk.start(operation);
        started.pipe.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert_eq!(desk.end(&started), expected);
    }
    assert_eq!(fs::read(&path).unwrap(), b"onetwothree");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn entries_say_what_there_is() {
    let mut desk = Desk::new();
    let (file, link, folder) = (desk.path("file"), desk.path("link"), desk.path("folder"));
    fs::write(&file, "12345").unwrap();
    symlink("file", &link).unwrap();
    fs::create_dir(&folder).unwrap();
    let entry = desk.stat(&file).unwrap();
    assert_eq!((entry.name.as_str(), entry.kind, entry.size), ("file", FileKind::File, 5));
    assert_eq!(i64::try_from(entry.modified_seconds).unwrap(), fs::metadata(&file).unwrap().mtime());
    assert_eq!(desk.stat(&link).unwrap().kind, FileKind::SymbolicLink);
    assert_eq!(desk.stat(&folder).unwrap().kind, FileKind::Directory);
    assert_eq!(desk.stat("/dev/null").unwrap().kind, FileKind::Other);
    assert_eq!(desk.stat("/").unwrap().name, "/");
    assert_eq!(desk.stat("/no/such"), Err(FileFailure::NotFound));
    let path = desk.path("");
    let mut names: Vec<_> = desk
        .entries(FileOperation::ReadDirectory { path })
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    let expected =
        [("file", FileKind::File), ("folder", FileKind::Directory), ("link", FileKind::SymbolicLink)];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(desk.entries(FileOperation::ReadDirectory { path: file }), Err(FileFailure::NotADirectory));
}

#[test]
fn a_directory_of_50_000_is_read_whole() {
    let mut desk = Desk::new();
    for number in 0..50_000 {
        File::create(desk.path(&number.to_string())).unwrap();
    }
    let path = desk.path("");
    assert_eq!(desk.entries(FileOperation::ReadDirectory { path }).unwrap().len(), 50_000);
}

#[test]
fn a_name_that_is_not_utf8_fails_the_whole_list() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut desk = Desk::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    File::create(desk.folder.path().join(name)).unwrap();
    let path = desk.path("");
    assert_eq!(desk.get(FileOperation::ReadDirectory { path }), Err(FileFailure::NotUtf8));
}

#[test]
fn directories_are_made() {
    let mut desk = Desk::new();
    let (one, deep) = (desk.path("one"), desk.path("a/b/c"));
    let make = |path: &str, parents| FileOperation::MakeDirectory { path: path.into(), parents };
    desk.get(make(&one, false)).unwrap();
    assert_eq!(desk.get(make(&one, false)), Err(FileFailure::AlreadyExists));
    assert_eq!(desk.get(make(&deep, false)), Err(FileFailure::NotFound));
    desk.get(make(&deep, true)).unwrap();
    desk.get(make(&deep, true)).unwrap();
    assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o755);
}

#[test]
fn renaming_replaces_and_stays_on_its_file_system() {
    let mut desk = Desk::new();
    let (one, two) = (desk.path("one"), desk.path("two"));
    fs::write(&one, "1").unwrap();
    fs::write(&two, "2").unwrap();
    let rename =
        |source: &str, target: &str| FileOperation::Rename { source: source.into(), target: target.into() };
    desk.get(rename(&one, &two)).unwrap();
    assert_eq!(fs::read(&two).unwrap(), b"1");
    assert_eq!(desk.get(rename(&one, &two)), Err(FileFailure::NotFound));
    assert_eq!(desk.get(rename(&two, "/proc/x")), Err(FileFailure::NotRenamable));
    let (folder, below) = (desk.path("folder"), desk.path("folder/below"));
    fs::create_dir(&folder).unwrap();
    assert_eq!(desk.get(rename(&folder, &below)), Err(FileFailure::NotRenamable));
}

#[test]
fn removing_takes_what_the_path_names_and_follows_no_link() {
    let mut desk = Desk::new();
    let (kept, full, link) = (desk.path("kept"), desk.path("full"), desk.path("link"));
    fs::create_dir_all(format!("{full}/deep/deeper")).unwrap();
    fs::create_dir(&kept).unwrap();
    fs::write(format!("{kept}/file"), "").unwrap();
    symlink(&kept, format!("{full}/deep/link")).unwrap();
    symlink(&kept, &link).unwrap();
    assert_eq!(desk.get(remove(&full, false)), Err(FileFailure::DirectoryNotEmpty));
    desk.get(remove(&full, true)).unwrap();
    desk.get(remove(&format!("{link}/"), true)).unwrap();
    assert_eq!(desk.names(), ["kept"]);
    assert!(Path::new(&format!("{kept}/file")).exists());
    assert_eq!(desk.get(remove(&full, true)), Err(FileFailure::NotFound));
    assert_eq!(desk.get(remove(&format!("{kept}/.."), true)), Err(FileFailure::InvalidPath));
    for root in ["/", "//", "/."] {
        assert_eq!(desk.get(remove(root, true)), Err(FileFailure::PermissionDenied));
    }
    desk.get(remove(&format!("{kept}/file"), false)).unwrap();
    desk.get(remove(&kept, false)).unwrap();
}

#[test]
fn an_operation_holds_nothing_of_the_agents() {
    let mut desk = Desk::new();
    let path = "/proc/self/fd".to_owned();
    let entries = desk.entries(FileOperation::ReadDirectory { path }).unwrap();
    // The three streams, the pipe, and the directory that is read.
    assert_eq!(entries.len(), 5, "{entries:?}");
}
