//! Whatever is wrong with a file is said, each in its own words, and leaves nothing behind.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use mimobox_sandbox::{Error, Isolation, Limits, Record, SnapshotId, SnapshotStore as _, Spec};
use mimobox_snapshots::{HEADER_LENGTH, StoreLimits};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::stand::{ROOMY, Stand, all, invalid, record, refusal, stream};

const STATE: &[u8] = b"a few bytes of state";

/// Where the header's fields are: its layout as documented, not as the code says.
const VERSION: usize = 8;
const LENGTH: usize = 12;
const ARCHITECTURE: usize = 16;
const ISOLATION: usize = 20;
const COUNT: usize = 24;
const RESERVED: usize = 28;
const TABLE: usize = 32;
const SLOT: usize = 64;
const OFFSET: usize = 16;
const SECTION_LENGTH: usize = 24;
const DIGEST: usize = 32;
const CHECKSUM: usize = 480;

async fn exported() -> Vec<u8> {
    all(Stand::new().keep(STATE).await.unwrap().export().await).await
}

/// Makes a changed header one that matches its checksum.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = Sha256::digest(&file[..CHECKSUM]);
    file[CHECKSUM..HEADER_LENGTH].copy_from_slice(&checksum);
    file
}

/// A file with other bytes in some places of its header, which is sealed again.
async fn changed(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = exported().await;
    for (at, bytes) in changes {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    sealed(file)
}

/// A file with another record, to which header and digests are fitted.
async fn with_record(record: &[u8]) -> Vec<u8> {
    let mut file = exported().await;
    file.truncate(HEADER_LENGTH);
    let length = record.len() as u64;
    let state = HEADER_LENGTH as u64 + length;
    file[TABLE + SECTION_LENGTH..][..8].copy_from_slice(&length.to_le_bytes());
    file[TABLE + DIGEST..][..32].copy_from_slice(&Sha256::digest(record));
    file[TABLE + SLOT + OFFSET..][..8].copy_from_slice(&state.to_le_bytes());
    let mut file = sealed(file);
    file.extend_from_slice(record);
    file.extend_from_slice(STATE);
    file
}

/// The two ways by which a file comes in.
struct Ways {
    import: Stand,
    folder: Stand,
    id: SnapshotId,
}

impl Ways {
    async fn new() -> Self {
        let folder = Stand::new();
        let id = folder.keep(STATE).await.unwrap().id().clone();
        Self { import: Stand::new(), folder, id }
    }

    /// Refused when it is imported, and when it lies in the folder under an id.
    async fn refuse(&self, file: &[u8]) -> Error {
        let imported = refusal(self.import.import(file).await);
        assert!(self.import.files().is_empty(), "{:?}", self.import.files());
        // Removed first: some file systems bring a file to the disk that was emptied and written again.
        std::fs::remove_file(self.folder.path(&self.id)).unwrap();
        std::fs::write(self.folder.path(&self.id), file).unwrap();
        let opened = match self.folder.store.open(&self.id).await {
            Ok(stored) => refusal(stored.state().await),
            Err(error) => error,
        };
        assert_eq!(opened, imported);
        imported
    }
}

async fn refused(file: &[u8]) -> Error {
    Ways::new().await.refuse(file).await
}

#[tokio::test]
async fn a_truncated_file_is_refused_wherever_it_ends() {
    let (file, ways) = (exported().await, Ways::new().await);
    for end in 0..file.len() {
        assert_eq!(ways.refuse(&file[..end]).await, invalid("it is truncated"), "{end}");
    }
}

#[tokio::test]
async fn what_follows_the_end_is_refused() {
    let mut file = exported().await;
    file.push(0);
    assert_eq!(refused(&file).await, invalid("something follows its end"));
}

#[tokio::test]
async fn each_flipped_bit_is_noticed() {
    let (file, ways) = (exported().await, Ways::new().await);
    let record = file.len() - STATE.len();
    for bit in 0..file.len() * 8 {
        let at = bit / 8;
        let mut file = file.clone();
        file[at] ^= 1 << (bit % 8);
        let version = u32::from_le_bytes(file[VERSION..LENGTH].try_into().unwrap());
        let expected = match at {
            0..VERSION => "not a snapshot".to_owned(),
            VERSION..LENGTH if version == 0 => "its format is of version 0, which there never was".to_owned(),
            VERSION..LENGTH => {
                format!("its format is of version {version}, which is newer than this host's")
            }
            LENGTH..HEADER_LENGTH => "its header is damaged".to_owned(),
            HEADER_LENGTH.. if at < record => "its record is damaged".to_owned(),
            _ => "its state is damaged".to_owned(),
        };
        assert_eq!(ways.refuse(&file).await, invalid(&expected), "bit {bit}");
    }
}

#[tokio::test]
async fn headers_that_mean_nothing_are_refused_field_by_field() {
    let senseless = |what: &str| format!("its header has a {what} that has no meaning");
    let number = u32::to_le_bytes;
    let cases = [
        (LENGTH, number(511), senseless("length")),
        (ISOLATION, number(0), senseless("kind of isolation")),
        (ISOLATION, number(3), senseless("kind of isolation")),
        (COUNT, number(0), senseless("section beyond the last")),
        (COUNT, number(1), senseless("section beyond the last")),
        (COUNT, number(3), r#"it has a section "", which this host does not know"#.to_owned()),
        (COUNT, number(8), senseless("number of sections")),
        (COUNT, number(u32::MAX), senseless("number of sections")),
        (RESERVED, number(1), senseless("reserved field")),
        (TABLE + 2 * SLOT + 5, number(1), senseless("section beyond the last")),
    ];
    for (at, bytes, expected) in cases {
        assert_eq!(refused(&changed(&[(at, &bytes)]).await).await, invalid(&expected));
    }
}

#[tokio::test]
async fn a_snapshot_of_another_architecture_is_refused() {
    let other: u32 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    let name = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
    for (number, name) in [(other, name), (9, "9")] {
        let expected = format!("it is from a machine of architecture {name}, not of this one's");
        let file = changed(&[(ARCHITECTURE, &number.to_le_bytes())]).await;
        assert_eq!(refused(&file).await, invalid(&expected));
    }
}

#[tokio::test]
async fn an_unknown_section_is_refused_by_its_name() {
    let file = changed(&[(TABLE + SLOT, b"memory\0\0\0\0\0\0\0\0\0\0")]).await;
    let expected = r#"it has a section "memory", which this host does not know"#;
    assert_eq!(refused(&file).await, invalid(expected));
    let file = changed(&[(TABLE + SLOT, b"\x1b[2J\xff\n\0\0\0\0\0\0\0\0\0\0")]).await;
    let Error::InvalidArgument(shown) = refused(&file).await else { panic!("another error") };
    assert!(!shown.contains(char::is_control), "{shown:?}");
}

#[tokio::test]
async fn sections_out_of_their_order_are_refused() {
    let file = exported().await;
    let first = file[TABLE..TABLE + SLOT].to_vec();
    let second = file[TABLE + SLOT..TABLE + 2 * SLOT].to_vec();
    let swapped = changed(&[(TABLE, &second), (TABLE + SLOT, &first)]).await;
    let twice = changed(&[(TABLE + SLOT, &first)]).await;
    let names_swapped = changed(&[(TABLE, &second[..OFFSET]), (TABLE + SLOT, &first[..OFFSET])]).await;
    let overlapping = changed(&[(TABLE + SLOT + OFFSET, &first[OFFSET..OFFSET + 8])]).await;
    let apart = changed(&[(TABLE + SLOT + OFFSET, &u64::MAX.to_le_bytes())]).await;
    let endless = changed(&[(TABLE + SLOT + SECTION_LENGTH, &u64::MAX.to_le_bytes())]).await;
    for file in [swapped, twice, names_swapped, overlapping, apart, endless] {
        assert_eq!(refused(&file).await, invalid("its sections are not in their order"));
    }
}

#[tokio::test]
async fn records_that_make_no_sense_are_refused() {
    let mut unknown = serde_json::to_value(record()).unwrap();
    unknown["surprise"] = true.into();
    let deep = "[".repeat(100_000);
    for bytes in [b"".as_slice(), b"{}", b"null", deep.as_bytes(), unknown.to_string().as_bytes()] {
        let file = with_record(bytes).await;
        assert_eq!(refused(&file).await, invalid("its record makes no sense"));
    }
}

#[tokio::test]
async fn a_record_that_contradicts_its_header_is_refused() {
    let other = Record { isolation: Isolation::MicroVm, ..record() };
    let memory = Record { memory: true, ..record() };
    for record in [other, memory] {
        let file = with_record(&serde_json::to_vec(&record).unwrap()).await;
        assert_eq!(refused(&file).await, invalid("its record contradicts its header"));
    }
    for image in ["", "a\nb", "\u{1b}[2J", &"a".repeat(129)] {
        let record = Record { image: image.to_owned(), ..record() };
        let file = with_record(&serde_json::to_vec(&record).unwrap()).await;
        assert_eq!(refused(&file).await, invalid("its record names no image"));
    }
}

#[tokio::test]
async fn a_record_longer_than_any_is_refused_before_it_is_read() {
    let length = (1_u64 << 20) + 1;
    let state = HEADER_LENGTH as u64 + length;
    let file = changed(&[
        (TABLE + SECTION_LENGTH, &length.to_le_bytes()),
        (TABLE + SLOT + OFFSET, &state.to_le_bytes()),
    ])
    .await;
    let header = file[..HEADER_LENGTH].to_vec();
    let stand = Stand::new();
    let imported = stand.store.import(Box::pin(io::Cursor::new(header).chain(Unreadable))).await;
    assert_eq!(refusal(imported), invalid("its record is oversized"));
}

#[tokio::test]
async fn a_state_longer_than_the_limits_is_refused_before_it_is_read() {
    let long = (ROOMY.one + 1).to_le_bytes();
    let file = changed(&[(TABLE + SLOT + SECTION_LENGTH, &long)]).await;
    let start = file[..file.len() - STATE.len()].to_vec();
    let cases = [
        (ROOMY, "bytes of a snapshot"),
        (StoreLimits { one: u64::MAX, bytes: ROOMY.one, ..ROOMY }, "bytes of snapshots"),
    ];
    for (limits, limit) in cases {
        let stand = Stand::limited(limits);
        let bytes = Box::pin(io::Cursor::new(start.clone()).chain(Unreadable));
        let imported = stand.store.import(bytes).await;
        assert_eq!(refusal(imported), Error::LimitReached(limit.into()));
        assert!(stand.files().is_empty());
    }
}

#[tokio::test]
async fn the_error_of_a_stream_is_the_imports() {
    let file = exported().await;
    for end in [0, 8, HEADER_LENGTH, HEADER_LENGTH + 1, file.len() - 1, file.len()] {
        let stand = Stand::new();
        let bytes = Box::pin(io::Cursor::new(file[..end].to_vec()).chain(TimedOut));
        assert_eq!(refusal(stand.store.import(bytes).await), Error::TimedOut, "{end}");
        assert!(stand.files().is_empty());
    }
}

#[tokio::test]
async fn an_import_has_an_id_of_its_own_and_asks_for_limits_alone() {
    let file = exported().await;
    let stand = Stand::new();
    let first = stand.import(&file).await.unwrap();
    let second = stand.import(&file).await.unwrap();
    assert_ne!(first.id(), second.id());
    let Limits { memory, cpu, processes, disk } = record().spec.limits;
    let expected = Record {
        isolation: Isolation::Os,
        image: "host".into(),
        memory: false,
        parent: None,
        created: UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
        spec: Spec { limits: Limits { memory, cpu, processes, disk }, ..Spec::default() },
    };
    let opened = stand.store.open(first.id()).await.unwrap();
    for stored in [&first, &opened] {
        assert_eq!(stored.record(), &expected);
        assert_eq!(all(stored.state().await).await, STATE);
    }
    let again = stand.import(&all(opened.export().await).await).await.unwrap();
    assert_eq!(again.record(), &expected);
}

#[tokio::test]
async fn an_import_beyond_the_number_of_snapshots_leaves_nothing() {
    let stand = Stand::limited(StoreLimits { snapshots: 1, ..ROOMY });
    let file = exported().await;
    stand.import(&file).await.unwrap();
    assert_eq!(refusal(stand.import(&file).await), Error::LimitReached("snapshots".into()));
    assert_eq!(stand.files().len(), 1);
}

#[tokio::test]
async fn a_state_that_changes_on_the_disk_is_noticed_by_who_opens_it() {
    let stand = Stand::new();
    let id = stand.keep(STATE).await.unwrap().id().clone();
    let mut file = std::fs::read(stand.path(&id)).unwrap();
    *file.last_mut().unwrap() ^= 1;
    std::fs::write(stand.path(&id), &file).unwrap();
    let opened = stand.store.open(&id).await.unwrap();
    let damaged = invalid("its state is damaged");
    assert_eq!(refusal(opened.state().await), damaged);
    assert_eq!(refusal(opened.export().await), damaged);
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    let stand = Stand::new();
    let kept = stand.keep(STATE).await.unwrap();
    let target = stand.folder().join("target");
    std::fs::rename(stand.path(kept.id()), &target).unwrap();
    let path = stand.path(kept.id());

    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert_eq!(refusal(stand.store.open(kept.id()).await), invalid("not a snapshot"));
    std::fs::remove_file(&path).unwrap();

    std::fs::create_dir(&path).unwrap();
    assert_eq!(refusal(stand.store.open(kept.id()).await), invalid("not a snapshot"));
    std::fs::remove_dir(&path).unwrap();

    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(refusal(stand.store.open(kept.id()).await), invalid("not a snapshot"));
}

#[tokio::test]
async fn an_empty_stream_is_truncated_and_a_strange_one_no_snapshot() {
    let stand = Stand::new();
    assert_eq!(refusal(stand.import(b"").await), invalid("it is truncated"));
    assert_eq!(refusal(stand.import(b"mim").await), invalid("it is truncated"));
    assert_eq!(refusal(stand.import(b"PK\x03\x04").await), invalid("not a snapshot"));
    assert_eq!(refusal(stand.store.import(stream(&[0; 4096])).await), invalid("not a snapshot"));
}

/// What must not be read.
struct Unreadable;

impl tokio::io::AsyncRead for Unreadable {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        panic!("it was read")
    }
}

/// A stream whose giver ran out of time.
struct TimedOut;

impl tokio::io::AsyncRead for TimedOut {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err(io::Error::other(Error::TimedOut)))
    }
}
