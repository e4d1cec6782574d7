//! `mimobox:host/pty`: run a command on a terminal.

use mimobox_sandbox::{Error, Sandbox, Session};
use tokio::sync::oneshot;
use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, Resource, StreamReader};

use crate::answer::{Later, Owned, Unclaimed, answer, settled};
use crate::bindings::host::mimobox::host::pty::{
    Command, Host as Interface, HostSession, HostSessionWithStore, HostWithStore, Size,
};
use crate::bindings::host::mimobox::host::types;
use crate::convert;
use crate::ctx::{Ctx, Host};
use crate::flow::{Ending, Inflow, Outflow, ending};

impl Owned for Session {
    fn abandon(&self) {
        Self::abandon(self);
    }
}

impl Interface for &mut Ctx {}
impl HostSession for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn open(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        command: Command,
        size: Size,
        input: StreamReader<u8>,
    ) -> Later<Resource<Session>> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let (feed, keys) = oneshot::channel();
        input.pipe(&mut host, Inflow::starting(keys))?;
        let open = async move {
            let session = sandbox.open_terminal(command.into(), size.into()).await?;
            if let Some(input) = session.take_input() {
                // Nobody takes it where the guest has closed its stream already, which hangs nothing up.
                let _ = feed.send(input);
            }
            Ok(Unclaimed::new(session))
        };
        answer(&mut host, open, |ctx, session| session.hand_over(ctx))
    }
}

impl HostSessionWithStore<Ctx> for Host {
    fn drop(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Result<()> {
        host.get().table.delete(session)?.abandon();
        Ok(())
    }

    fn output(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Ending<u8> {
        let output = host.get().table.get(&session)?.take_output();
        let (producer, end) = Outflow::of(output);
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }

    fn resize(mut host: Access<'_, Ctx, Self>, session: Resource<Session>, size: Size) -> Later<()> {
        let session = host.get().table.get(&session)?.clone();
        answer(&mut host, async move { session.resize(size.into()).await }, |_, ()| Ok(()))
    }

    fn kill(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Later<()> {
        let session = host.get().table.get(&session)?;
        if session.has_ended() {
            return settled(&mut host, Err(Error::Gone));
        }
        session.kill();
        settled(&mut host, Ok(()))
    }

    fn wait(mut host: Access<'_, Ctx, Self>, session: Resource<Session>) -> Later<types::ExitStatus> {
        // Waiting does nothing, so it needs no task: it goes on while the guest reads.
        let session = host.get().table.get(&session)?.clone();
        FutureReader::new(&mut host, async move {
            wasmtime::error::Ok(session.wait().await.map(Into::into).map_err(convert::error))
        })
    }
}
