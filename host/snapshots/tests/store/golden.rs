//! Files that earlier hosts wrote. Whoever changes the format adds one, and takes none away.

use mimobox_sandbox::SnapshotStore as _;
use mimobox_snapshots::Header;

use crate::stand::{Stand, all, invalid, pattern, record, refusal};

/// Of [`record`] and 1000 bytes of [`pattern`], taken on x86-64.
const VERSION_1: &[u8] = include_bytes!("../goldens/version-1-x86_64.snapshot");

#[tokio::test]
async fn version_1_loads_for_ever() {
    let header = Header::decode(VERSION_1).unwrap();
    assert_eq!(header.architecture(), "x86_64");
    assert_eq!(header.size(), VERSION_1.len() as u64);

    let stand = Stand::new();
    if cfg!(not(target_arch = "x86_64")) {
        let foreign = "it is from a machine of architecture x86_64, not of this one's";
        assert_eq!(refusal(stand.import(VERSION_1).await), invalid(foreign));
        return;
    }
    let imported = stand.import(VERSION_1).await.unwrap();
    assert_eq!(all(imported.state().await).await, pattern(1000));

    std::fs::write(stand.path(imported.id()), VERSION_1).unwrap();
    let opened = stand.store.open(imported.id()).await.unwrap();
    assert_eq!(opened.record(), &record());
    assert_eq!(all(opened.state().await).await, pattern(1000));
}
