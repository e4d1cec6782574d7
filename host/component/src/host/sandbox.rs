//! `mimobox:host/sandbox`: making sandboxes, and what is known of one.

use mimobox_sandbox::Sandbox;
use wasmtime::Result;
use wasmtime::component::{Access, Resource};

use crate::answer::{Later, Unclaimed, answer, answer_or_cancel};
use crate::bindings::host::mimobox::host::sandbox::{
    Enforcement, Host as Interface, HostSandbox, HostSandboxWithStore, HostWithStore, Isolation, Spec, Usage,
};
use crate::ctx::{Ctx, Host};

impl Interface for &mut Ctx {}
impl HostSandbox for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn create(mut host: Access<'_, Ctx, Self>, spec: Spec) -> Later<Resource<Sandbox>> {
        let run = host.get().run.clone();
        let create = async move { run.create(spec.into()).await.map(Unclaimed::new) };
        answer(&mut host, create, |ctx, sandbox| sandbox.hand_over(ctx))
    }
}

impl HostSandboxWithStore<Ctx> for Host {
    fn drop(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Result<()> {
        host.get().table.delete(sandbox)?.abandon();
        Ok(())
    }

    fn id(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Result<String> {
        Ok(host.get().table.get(&sandbox)?.id().to_string())
    }

    fn isolation(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Result<Isolation> {
        Ok(host.get().table.get(&sandbox)?.isolation().into())
    }

    fn enforcement(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Result<Vec<Enforcement>> {
        Ok(host.get().table.get(&sandbox)?.enforcement().iter().map(Into::into).collect())
    }

    fn usage(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Later<Usage> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        answer_or_cancel(&mut host, async move { sandbox.usage().await }, |_, usage| Ok(usage.into()))
    }

    fn pause(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Later<()> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        answer(&mut host, async move { sandbox.pause().await }, |_, ()| Ok(()))
    }

    fn resume(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Later<()> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        answer(&mut host, async move { sandbox.resume().await }, |_, ()| Ok(()))
    }

    fn close(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>) -> Later<()> {
        // Should there be no place for the operation, the handle is gone all the same, and so must the sandbox be.
        let sandbox = Unclaimed::new(host.get().table.delete(sandbox)?);
        answer(&mut host, async move { sandbox.close().await }, |_, ()| Ok(()))
    }
}
