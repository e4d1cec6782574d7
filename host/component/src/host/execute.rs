//! `mimobox:host/execute`: run a command to its end, output in memory.

use mimobox_sandbox::{Error, Sandbox};
use wasmtime::component::{Access, Resource};

use crate::answer::{Later, answer_or_cancel, settled};
use crate::bindings::host::mimobox::host::execute::{Command, Host as Interface, HostWithStore, Output};
use crate::ctx::{Ctx, Host};

/// Bytes of standard input that come as a list: they are copied into the host whole. More belongs in a stream.
const MOST_STDIN: usize = 16 * 1024 * 1024;

impl Interface for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn execute(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        command: Command,
        stdin: Vec<u8>,
    ) -> Later<Output> {
        if stdin.len() > MOST_STDIN {
            return settled(&mut host, Err(Error::LimitReached("standard input of execute".into())));
        }
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let execute = async move { sandbox.execute(command.into(), stdin).await };
        answer_or_cancel(&mut host, execute, |_, finished| Ok(finished.into()))
    }
}
