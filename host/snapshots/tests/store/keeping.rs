//! Snapshots come back as they went in, from whoever may have them.

use mimobox_sandbox::{Error, SnapshotId, SnapshotStore as _};
use mimobox_snapshots::{StoreLimits, Usage};
use tokio::io::AsyncReadExt as _;

use crate::stand::{ROOMY, Stand, all, open, pattern, record, refusal};

/// More than one chunk, and not a whole number of them.
const LONG: usize = 1_000_003;

#[tokio::test]
async fn a_kept_snapshot_comes_back_as_it_went_in() {
    for length in [0, 1, LONG] {
        let stand = Stand::new();
        let kept = stand.keep(&pattern(length)).await.unwrap();
        let opened = stand.store.open(kept.id()).await.unwrap();
        for stored in [&kept, &opened] {
            assert_eq!(stored.record(), &record());
            assert_eq!(all(stored.state().await).await, pattern(length));
            let exported = all(stored.export().await).await;
            assert_eq!(exported.len() as u64, stored.size());
            assert_eq!(exported, std::fs::read(stand.path(kept.id())).unwrap(), "the file itself");
        }
    }
}

#[tokio::test]
async fn another_host_on_the_folder_sees_what_is_kept() {
    let stand = Stand::new();
    let other = open(stand.folder(), ROOMY);
    let kept = stand.keep(b"state").await.unwrap();
    assert_eq!(all(other.open(kept.id()).await.unwrap().state().await).await, b"state");
    other.open(kept.id()).await.unwrap().delete().await.unwrap();
    assert_eq!(refusal(stand.store.open(kept.id()).await), Error::NotFound);
    assert!(stand.ids().await.is_empty());
}

#[tokio::test]
async fn a_draft_that_is_dropped_leaves_nothing() {
    let stand = Stand::new();
    drop(stand.draft(&pattern(LONG)).await.unwrap());
    assert!(stand.files().is_empty(), "{:?}", stand.files());
}

#[tokio::test]
async fn a_draft_has_no_name_until_it_is_kept() {
    let stand = Stand::new();
    let draft = stand.draft(b"state").await.unwrap();
    assert!(stand.ids().await.is_empty());
    let kept = draft.keep().await.unwrap();
    assert_eq!(stand.ids().await, [kept.id().clone()]);
}

#[tokio::test]
async fn a_held_snapshot_can_be_read_and_not_opened() {
    let stand = Stand::new();
    let held = stand.hold(&pattern(LONG)).await.unwrap();
    assert!(stand.files().is_empty(), "{:?}", stand.files());
    assert!(stand.ids().await.is_empty());
    assert_eq!(refusal(stand.store.open(held.id()).await), Error::NotFound);
    assert_eq!(all(held.state().await).await, pattern(LONG));
    held.delete().await.unwrap();
    assert_eq!(all(held.state().await).await, pattern(LONG), "for as long as somebody has it");
}

#[tokio::test]
async fn any_number_of_readers_read_at_once() {
    let stand = Stand::new();
    let held = stand.hold(&pattern(LONG)).await.unwrap();
    let mut readers = [held.state().await.unwrap(), held.state().await.unwrap()];
    let mut read = [Vec::new(), Vec::new()];
    for step in 0..LONG {
        let (reader, read) = (&mut readers[step % 2], &mut read[step % 2]);
        let mut some = vec![0; 4099];
        let count = reader.read(&mut some).await.unwrap();
        read.extend_from_slice(&some[..count]);
        if read.len() == LONG && count == 0 {
            break;
        }
    }
    assert!(read.iter().any(|read| *read == pattern(LONG)));
    for (mut reader, mut read) in readers.into_iter().zip(read) {
        reader.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, pattern(LONG));
    }
}

#[tokio::test]
async fn what_happens_to_the_name_is_nothing_to_who_has_the_file() {
    let stand = Stand::new();
    let kept = stand.keep(b"first").await.unwrap();
    let other = stand.keep(b"other").await.unwrap();
    let opened = stand.store.open(kept.id()).await.unwrap();
    let mut begun = opened.export().await.unwrap();
    std::fs::rename(stand.path(other.id()), stand.path(kept.id())).unwrap();
    assert_eq!(all(opened.state().await).await, b"first");
    std::fs::remove_file(stand.path(kept.id())).unwrap();
    assert_eq!(all(opened.state().await).await, b"first");
    let mut exported = Vec::new();
    begun.read_to_end(&mut exported).await.unwrap();
    assert!(exported.ends_with(b"first"));
}

#[tokio::test]
async fn a_listed_snapshot_is_the_one_that_was_listed_or_none() {
    let stand = Stand::new();
    let kept = stand.keep(b"first").await.unwrap();
    let other = stand.keep(b"other").await.unwrap();
    let listed = stand.store.list().await.unwrap();
    let listed = listed.iter().find(|stored| stored.id() == kept.id()).unwrap();
    assert_eq!(all(listed.state().await).await, b"first");
    std::fs::rename(stand.path(other.id()), stand.path(kept.id())).unwrap();
    assert_eq!(refusal(listed.state().await), Error::NotFound, "replaced");
    std::fs::remove_file(stand.path(kept.id())).unwrap();
    assert_eq!(refusal(listed.export().await), Error::NotFound, "deleted");
}

#[tokio::test]
async fn deleting_what_is_gone_is_no_error() {
    let stand = Stand::new();
    let kept = stand.keep(b"state").await.unwrap();
    kept.delete().await.unwrap();
    kept.delete().await.unwrap();
    stand.store.delete(kept.id()).await.unwrap();
    assert!(stand.files().is_empty());
}

#[tokio::test]
async fn ids_are_long_and_never_the_same() {
    let stand = Stand::new();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..32 {
        let id = stand.keep(b"").await.unwrap().id().clone();
        assert_eq!(id.as_str().len(), 32, "128 bits");
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn ids_that_no_store_gave_are_not_found() {
    let stand = Stand::new();
    std::fs::write(stand.folder().join("mine.snapshot"), "").unwrap();
    for id in ["mine", "0", &"0".repeat(32), &"A".repeat(32), &"0".repeat(64)] {
        let id = SnapshotId::new(id).unwrap();
        assert_eq!(refusal(stand.store.open(&id).await), Error::NotFound, "{id}");
        stand.store.delete(&id).await.unwrap();
    }
    assert_eq!(stand.files(), ["mine.snapshot"]);
}

#[tokio::test]
async fn names_that_are_not_the_stores_are_ignored() {
    let stand = Stand::new();
    for name in ["notes.txt", ".snapshot", "a.snapshot", &format!("{}.snapshot.old", "0".repeat(32))] {
        std::fs::write(stand.folder().join(name), "something").unwrap();
    }
    let kept = stand.keep(b"state").await.unwrap();
    assert_eq!(stand.ids().await, [kept.id().clone()]);
    assert_eq!(stand.store.usage().await.unwrap(), Usage { snapshots: 1, bytes: kept.size() });
}

#[tokio::test]
async fn a_damaged_snapshot_is_counted_and_can_be_deleted_but_is_not_listed() {
    let stand = Stand::new();
    let kept = stand.keep(b"state").await.unwrap();
    std::fs::write(stand.path(kept.id()), "rubbish").unwrap();
    assert!(stand.ids().await.is_empty());
    assert_eq!(stand.store.usage().await.unwrap(), Usage { snapshots: 1, bytes: 7 });
    stand.store.delete(kept.id()).await.unwrap();
    assert!(stand.files().is_empty());
}

#[tokio::test]
async fn a_store_keeps_as_many_as_it_may() {
    let stand = Stand::limited(StoreLimits { snapshots: 2, ..ROOMY });
    let first = stand.keep(b"1").await.unwrap();
    stand.keep(b"2").await.unwrap();
    assert_eq!(refusal(stand.keep(b"3").await), Error::LimitReached("snapshots".into()));
    assert_eq!(stand.files().len(), 2);
    stand.hold(b"3").await.unwrap();
    first.delete().await.unwrap();
    stand.keep(b"3").await.unwrap();
}

#[tokio::test]
async fn hosts_that_keep_at_once_keep_no_more_than_they_may() {
    let stand = Stand::limited(StoreLimits { snapshots: 5, ..ROOMY });
    let limits = StoreLimits { snapshots: 5, ..ROOMY };
    let tasks = (0..20).map(|_| {
        let store = open(stand.folder(), limits);
        tokio::spawn(async move { store.begin(record()).await.unwrap().keep().await.is_ok() })
    });
    let mut kept = 0;
    for task in tasks.collect::<Vec<_>>() {
        kept += usize::from(task.await.unwrap());
    }
    assert_eq!((kept, stand.files().len()), (5, 5));
}

#[tokio::test]
async fn no_snapshot_is_longer_than_one_may_be() {
    let stand = Stand::limited(StoreLimits { one: 100_000, ..ROOMY });
    let room = 100_000 - usize::try_from(stand.hold(b"").await.unwrap().size()).unwrap();
    stand.keep(&pattern(room)).await.unwrap();
    let over = stand.keep(&pattern(room + 1)).await;
    assert_eq!(refusal(over), Error::LimitReached("bytes of a snapshot".into()));
    assert_eq!(stand.files().len(), 1);
}

#[tokio::test]
async fn all_snapshots_together_are_no_longer_than_they_may_be() {
    let full = || Error::LimitReached("bytes of snapshots".into());
    let stand = Stand::limited(StoreLimits { bytes: 100_000, ..ROOMY });
    let kept = stand.keep(&pattern(60_000)).await.unwrap();
    assert_eq!(refusal(stand.keep(&pattern(60_000)).await), full());
    let held = stand.hold(&pattern(30_000)).await.unwrap();
    assert_eq!(refusal(stand.hold(&pattern(30_000)).await), full(), "what is held counts");
    drop(held);
    stand.hold(&pattern(30_000)).await.unwrap();
    kept.delete().await.unwrap();
    stand.keep(&pattern(60_000)).await.unwrap();
}

#[tokio::test]
async fn memory_is_refused_as_long_as_no_section_holds_it() {
    let stand = Stand::new();
    let mut record = record();
    record.memory = true;
    let begun = stand.store.begin(record).await;
    assert!(matches!(refusal(begun), Error::Unsupported(_)));
}
