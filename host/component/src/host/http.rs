//! `mimobox:host/http`: not there yet. It says so.

use mimobox_sandbox::Sandbox;
use wasmtime::component::{Access, Resource, StreamReader};

use crate::answer::{Later, unsupported};
use crate::bindings::host::mimobox::host::http::{Host as Interface, HostWithStore, Request, Response};
use crate::ctx::{Ctx, Host};

impl Interface for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn send(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _request: Request,
        body: Option<StreamReader<u8>>,
    ) -> Later<Response> {
        if let Some(mut body) = body {
            body.close(&mut host)?;
        }
        unsupported(&mut host, "http.send")
    }
}
