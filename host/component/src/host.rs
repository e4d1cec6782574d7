//! What a component can ask of this host: one file a WIT interface.

pub(crate) mod execute;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod pty;
pub(crate) mod sandbox;
pub(crate) mod snapshot;
pub(crate) mod stream;
pub(crate) mod timer;

use wasmtime::component::Linker;

use crate::bindings::host::{Orchestrator, mimobox::host::types};
use crate::ctx::{Ctx, Host};

impl types::Host for &mut Ctx {}

/// All that a component may import, WASI included. What of it one component gets was decided before, by name.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    Orchestrator::add_to_linker::<Ctx, Host>(&mut linker, |ctx| ctx)?;
    Ok(linker)
}
