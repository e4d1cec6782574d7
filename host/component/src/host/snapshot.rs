//! `mimobox:host/snapshot`: not there yet. Every operation says so.

use mimobox_sandbox::Sandbox;
use wasmtime::component::{Access, Resource, StreamReader};

use crate::answer::{Later, unsupported};
use crate::bindings::host::mimobox::host::snapshot::{
    Error, Host as Interface, HostPool, HostPoolWithStore, HostSnapshot, HostSnapshotWithStore,
    HostWithStore, Info,
};
use crate::ctx::{Ctx, Host};
use crate::flow::Ending;

/// A saved state. There is none.
#[allow(unreachable_pub, reason = "the generated bindings name it in a trait")]
pub enum Snapshot {}

/// Sandboxes restored ahead of need. There is none.
#[allow(unreachable_pub, reason = "the generated bindings name it in a trait")]
pub enum Pool {}

impl Interface for &mut Ctx {}
impl HostSnapshot for &mut Ctx {}
impl HostPool for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn take(mut host: Access<'_, Ctx, Self>, _sandbox: Resource<Sandbox>) -> Later<Resource<Snapshot>> {
        unsupported(&mut host, "snapshot.take")
    }

    fn open(mut host: Access<'_, Ctx, Self>, _id: String) -> Later<Resource<Snapshot>> {
        unsupported(&mut host, "snapshot.open")
    }

    fn load(mut host: Access<'_, Ctx, Self>, mut data: StreamReader<u8>) -> Later<Resource<Snapshot>> {
        data.close(&mut host)?;
        unsupported(&mut host, "snapshot.load")
    }

    fn restore(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> Later<Resource<Sandbox>> {
        match *host.get().table.get(&snapshot)? {}
    }

    fn fork(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _count: u32,
    ) -> Later<Vec<Result<Resource<Sandbox>, Error>>> {
        unsupported(&mut host, "snapshot.fork")
    }
}

impl HostSnapshotWithStore<Ctx> for Host {
    fn drop(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> wasmtime::Result<()> {
        match host.get().table.delete(snapshot)? {}
    }

    fn info(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> wasmtime::Result<Info> {
        match *host.get().table.get(&snapshot)? {}
    }

    fn read(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> Ending<u8> {
        match *host.get().table.get(&snapshot)? {}
    }

    fn delete(mut host: Access<'_, Ctx, Self>, snapshot: Resource<Snapshot>) -> Later<()> {
        match host.get().table.delete(snapshot)? {}
    }
}

impl HostPoolWithStore<Ctx> for Host {
    fn drop(mut host: Access<'_, Ctx, Self>, pool: Resource<Pool>) -> wasmtime::Result<()> {
        match host.get().table.delete(pool)? {}
    }

    fn open(
        mut host: Access<'_, Ctx, Self>,
        snapshot: Resource<Snapshot>,
        _size: u32,
    ) -> Later<Resource<Pool>> {
        match *host.get().table.get(&snapshot)? {}
    }

    fn acquire(mut host: Access<'_, Ctx, Self>, pool: Resource<Pool>) -> Later<Resource<Sandbox>> {
        match *host.get().table.get(&pool)? {}
    }

    fn ready(mut host: Access<'_, Ctx, Self>, pool: Resource<Pool>) -> wasmtime::Result<u32> {
        match *host.get().table.get(&pool)? {}
    }
}
