//! `mimobox:host/pty`: not there yet. Every operation says so.

use mimobox_sandbox::Sandbox;
use wasmtime::Result;
use wasmtime::component::{Access, Resource, StreamReader};

use crate::answer::{Later, unsupported};
use crate::bindings::host::mimobox::host::pty::{
    Command, Host as Interface, HostSession, HostSessionWithStore, HostWithStore, Size,
};
use crate::bindings::host::mimobox::host::types;
use crate::ctx::{Ctx, Host};
use crate::host::stream::Ending;

/// A session on a pseudo-terminal. There is none.
#[allow(unreachable_pub, reason = "the generated bindings name it in a trait")]
pub enum Session {}

impl Interface for &mut Ctx {}
impl HostSession for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn open(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _command: Command,
        _size: Size,
        mut input: StreamReader<u8>,
    ) -> Later<Resource<Session>> {
        input.close(&mut host)?;
        unsupported(&mut host, "pty.open")
    }
}

impl HostSessionWithStore<Ctx> for Host {
    fn drop(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Result<()> {
        match host.get().table.delete(session)? {}
    }

    fn output(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Ending<u8> {
        match *host.get().table.get(&session)? {}
    }

    fn resize(mut host: Access<'_, Ctx, Self>, session: Resource<Session>, _size: Size) -> Later<()> {
        match *host.get().table.get(&session)? {}
    }

    fn kill(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Later<()> {
        match *host.get().table.get(&session)? {}
    }

    fn wait(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Later<types::ExitStatus> {
        match *host.get().table.get(&session)? {}
    }
}
