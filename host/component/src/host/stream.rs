//! `mimobox:host/stream`: run a command and talk to it while it runs.

mod events;

use mimobox_sandbox::{Process, Sandbox};
use tokio::sync::oneshot;
use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, Resource, StreamReader};

use crate::answer::{Later, Owned, Unclaimed, answer, settled};
use crate::bindings::host::mimobox::host::stream::{
    Command, Event, Host as Interface, HostProcess, HostProcessWithStore, HostWithStore, ProcessInfo, Signal,
};
use crate::bindings::host::mimobox::host::types;
use crate::convert;
use crate::ctx::{Ctx, Host};
use crate::flow::{Ending, Inflow, Items, Outflow, ending};

use self::events::Events;

/// A process that a guest has a handle of.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the generated bindings name it in a trait")]
pub struct Handle {
    process: Process,
    sandbox: Sandbox,
}

impl Owned for Handle {
    fn abandon(&self) {
        self.process.abandon();
    }
}

impl Interface for &mut Ctx {}
impl HostProcess for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn spawn(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        command: Command,
        stdin: Option<StreamReader<u8>>,
    ) -> Later<Resource<Handle>> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let feed = match stdin {
            Some(stdin) => {
                let (feed, input) = oneshot::channel();
                stdin.pipe(&mut host, Inflow::starting(input))?;
                Some(feed)
            }
            None => None,
        };
        let spawn = async move {
            let process = sandbox.spawn(command.into(), feed.is_some()).await?;
            if let (Some(feed), Some(input)) = (feed, process.take_stdin()) {
                // Nobody takes it where the guest has closed its stream already: dropping it closes the pipe.
                let _ = feed.send(input);
            }
            Ok(Unclaimed::new(Handle { process, sandbox }))
        };
        answer(&mut host, spawn, |ctx, process| process.hand_over(ctx))
    }

    fn processes(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Later<Vec<ProcessInfo>> {
        let processes = host.get().table.get(&sandbox)?.processes();
        let info = |process: &Process| ProcessInfo { id: process.id(), command: process.command().into() };
        settled(&mut host, processes.map(|processes| processes.iter().map(info).collect()))
    }

    fn attach(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        id: u32,
    ) -> Later<Resource<Handle>> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let attach = async move {
            let process = sandbox.attach(id)?;
            Ok(Unclaimed::new(Handle { process, sandbox }))
        };
        answer(&mut host, attach, |ctx, process| process.hand_over(ctx))
    }
}

impl HostProcessWithStore<Ctx> for Host {
    fn drop(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Result<()> {
        host.get().table.delete(process)?.abandon();
        Ok(())
    }

    fn id(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Result<u32> {
        Ok(host.get().table.get(&process)?.process.id())
    }

    fn stdout(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Ending<u8> {
        let output = host.get().table.get(&process)?.process.take_stdout();
        let (producer, end) = Outflow::of(output);
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }

    fn stderr(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Ending<u8> {
        let output = host.get().table.get(&process)?.process.take_stderr();
        let (producer, end) = Outflow::of(output);
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }

    fn events(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Ending<Event> {
        let process = host.get().table.get(&process)?.process.clone();
        let (producer, end) = Events::of(process).map_or_else(Items::taken_before, Items::of);
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }

    fn signal(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>, signal: Signal) -> Later<()> {
        let Handle { process, sandbox } = host.get().table.get(&process)?.clone();
        let signal = async move { sandbox.signal(&process, signal.into()).await };
        answer(&mut host, signal, |_, ()| Ok(()))
    }

    fn wait(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Later<types::ExitStatus> {
        // Waiting does nothing, so it needs no task: it goes on while the guest reads.
        let process = host.get().table.get(&process)?.process.clone();
        FutureReader::new(&mut host, async move {
            wasmtime::error::Ok(process.wait().await.map(Into::into).map_err(convert::error))
        })
    }

    fn detach(mut host: Access<'_, Ctx, Self>, process: Resource<Handle>) -> Result<u32> {
        let Handle { process, sandbox } = host.get().table.delete(process)?;
        Ok(sandbox.detach(&process))
    }
}
