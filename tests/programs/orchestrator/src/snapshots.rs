//! Saves a sandbox, goes on with it, and brings back what was saved: restored, loaded from its bytes, forked, and from a pool.

use mimobox_guest::snapshot::{Pool, Snapshot};
use mimobox_guest::{Result, Sandbox, println};

use crate::Ended;

const FILE: &str = "/tmp/state";
const CHILDREN: u32 = 3;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    sandbox.files().write(FILE, "saved").await?;
    let snapshot = sandbox.snapshot().await?;
    sandbox.files().write(FILE, "changed").await?;

    let restored = snapshot.restore().await?;
    println!("restored: {}, the first: {}", state(&restored).await?, state(&sandbox).await?);
    println!("its parent: {}", restored.snapshot().await?.info().parent == Some(snapshot.info().id));

    let loaded = Snapshot::load(snapshot.read()).await?;
    println!("loaded: {}", state(&loaded.restore().await?).await?);
    let opened = Snapshot::open(&snapshot.info().id).await?;
    println!("opened: {}", state(&opened.restore().await?).await?);

    for child in sandbox.fork(CHILDREN).await? {
        println!("child: {}", state(&child?).await?);
    }
    let pool = Pool::open(&snapshot, 2).await?;
    println!("of a pool: {}", state(&pool.acquire().await?).await?);
    drop(pool);

    opened.delete().await?;
    println!("deleted: {:?}", snapshot.restore().await.err());
    println!("no id: {:?}", Snapshot::open("../etc").await.err());
    println!("no children: {:?}", sandbox.fork(0).await.err());
    Ok(0)
}

async fn state(sandbox: &Sandbox) -> Result<String> {
    sandbox.files().read_to_string(FILE, 64).await
}
