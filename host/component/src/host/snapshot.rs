//! `mimobox:host/snapshot`: save a sandbox, bring it back, multiply it.

use std::sync::Arc;

use mimobox_sandbox::{self as domain, Input, Sandbox, Snapshot, SnapshotId, Source};
use tokio::io::duplex;
use tokio::sync::oneshot;
use wasmtime::component::{Access, Resource, StreamReader};

use crate::answer::{Later, Unclaimed, answer, answer_or_cancel, begin};
use crate::bindings::host::mimobox::host::snapshot::{
    Error, Host as Interface, HostPool, HostPoolWithStore, HostSnapshot, HostSnapshotWithStore,
    HostWithStore, Info,
};
use crate::convert;
use crate::ctx::{Ctx, Host};
use crate::flow::{Ending, Inflow, Outflow, ending};

/// Bytes of a snapshot on their way from a guest to the store that checks them.
const PIPE: usize = 64 * 1024;

/// Sandboxes restored ahead of need.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the generated bindings name it in a trait")]
pub struct Pool(Arc<domain::Pool>);

impl Interface for &mut Ctx {}
impl HostSnapshot for &mut Ctx {}
impl HostPool for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn take(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Later<Resource<Snapshot>> {
        let (run, sandbox) = (host.get().run.clone(), host.get().table.get(&sandbox)?.clone());
        answer(&mut host, async move { run.take_snapshot(&sandbox).await }, Ctx::hand_over)
    }

    fn open(mut host: Access<'_, Ctx, Self>, id: String) -> Later<Resource<Snapshot>> {
        let run = host.get().run.clone();
        let open = async move { run.open_snapshot(&SnapshotId::new(&id)?).await };
        answer_or_cancel(&mut host, open, Ctx::hand_over)
    }

    fn load(mut host: Access<'_, Ctx, Self>, data: StreamReader<u8>) -> Later<Resource<Snapshot>> {
        let run = host.get().run.clone();
        let (input, bytes) = duplex(PIPE);
        let (feed, starting) = oneshot::channel::<Input>();
        let _ = feed.send(Box::pin(input));
        data.pipe(&mut host, Inflow::starting(starting))?;
        // The end of a guest that has left looks like the end of its bytes. They say themselves whether they are whole.
        let load = async move { run.load_snapshot(Box::pin(bytes)).await };
        answer_or_cancel(&mut host, load, Ctx::hand_over)
    }

    fn restore(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> Later<Resource<Sandbox>> {
        let (run, snapshot) = (host.get().run.clone(), host.get().table.get(&snapshot)?.clone());
        let restore = async move { run.restore(&snapshot, None).await.map(Unclaimed::new) };
        answer(&mut host, restore, |ctx, sandbox| sandbox.hand_over(ctx))
    }

    fn fork(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        count: u32,
    ) -> Later<Vec<Result<Resource<Sandbox>, Error>>> {
        let (run, sandbox) = (host.get().run.clone(), host.get().table.get(&sandbox)?.clone());
        let fork = async move {
            let children = run.fork(&sandbox, count).await?;
            Ok(children.into_iter().map(|child| child.map(Unclaimed::new)).collect::<Vec<_>>())
        };
        answer(&mut host, fork, |ctx, children| {
            let hand_over = |child: domain::Result<Unclaimed<Sandbox>>| {
                child.and_then(|child| child.hand_over(ctx)).map_err(convert::error)
            };
            Ok(children.into_iter().map(hand_over).collect())
        })
    }
}

impl HostSnapshotWithStore<Ctx> for Host {
    /// What was saved stays.
    fn drop(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> wasmtime::Result<()> {
        host.get().table.delete(snapshot)?;
        Ok(())
    }

    fn info(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> wasmtime::Result<Info> {
        let snapshot = host.get().table.get(&snapshot)?;
        let record = snapshot.record();
        Ok(Info {
            id: snapshot.id().to_string(),
            size: snapshot.size(),
            memory: record.memory,
            parent: record.parent.as_ref().map(ToString::to_string),
        })
    }

    fn read(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> Ending<u8> {
        let snapshot = host.get().table.get(&snapshot)?.clone();
        let bytes = begin(&mut host, async move { snapshot.read().await });
        let (producer, end) = Outflow::coming(bytes);
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }

    fn delete(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> Later<()> {
        let snapshot = host.get().table.delete(snapshot)?;
        answer(&mut host, async move { snapshot.delete().await }, |_, ()| Ok(()))
    }
}

impl HostPoolWithStore<Ctx> for Host {
    /// Those that nobody took are destroyed.
    fn drop(mut host: Access<'_, Ctx, Self>, pool: Resource<Pool>) -> wasmtime::Result<()> {
        host.get().table.delete(pool)?;
        Ok(())
    }

    fn open(
        mut host: Access<'_, Ctx, Self>,
        snapshot: Resource<Snapshot>,
        size: u32,
    ) -> Later<Resource<Pool>> {
        let (run, snapshot) = (host.get().run.clone(), host.get().table.get(&snapshot)?.clone());
        let open = async move {
            let pool = domain::Pool::open(&run, Source::Snapshot(snapshot), size)?;
            Ok(Pool(Arc::new(pool)))
        };
        answer(&mut host, open, Ctx::hand_over)
    }

    fn acquire(mut host: Access<'_, Ctx, Self>, pool: Resource<Pool>) -> Later<Resource<Sandbox>> {
        let Pool(pool) = host.get().table.get(&pool)?.clone();
        let acquire = async move { pool.acquire().await.map(Unclaimed::new) };
        answer(&mut host, acquire, |ctx, sandbox| sandbox.hand_over(ctx))
    }

    fn ready(mut host: Access<'_, Ctx, Self>, pool: Resource<Pool>) -> wasmtime::Result<u32> {
        Ok(host.get().table.get(&pool)?.0.ready())
    }
}
