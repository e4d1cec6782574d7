//! What the host keeps for one run of a component: the data of its store.

use std::sync::Arc;

use mimobox_sandbox::{Error, Result, Run};
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::answer::Tasks;
use crate::host::log::Log;
use crate::limiter::Limiter;
use crate::presence::Presence;
use crate::stdio::Stdio;

/// The data of an orchestrator's store.
pub(crate) struct Ctx {
    pub(crate) run: Arc<Run>,
    /// What the guest has handles of.
    pub(crate) table: ResourceTable,
    /// Operations that the guest has begun.
    pub(crate) tasks: Tasks,
    pub(crate) presence: Presence,
    pub(crate) log: Log,
    pub(crate) limiter: Limiter,
    wasi: WasiCtx,
}

/// Connects the bindings to [`Ctx`].
pub(crate) struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut Ctx;
}

impl Ctx {
    pub(crate) fn new(
        component: Arc<str>,
        run: Arc<Run>,
        tasks: Tasks,
        arguments: &[String],
        stdio: &Stdio,
        memory: u64,
        handles: usize,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        Self {
            run,
            table,
            tasks,
            presence: Presence::default(),
            log: Log::new(component.clone()),
            limiter: Limiter::new(memory),
            wasi: wasi(&component, arguments, stdio),
        }
    }

    /// Gives the guest a handle of `value`.
    ///
    /// # Errors
    /// `LimitReached`: it has too many.
    pub(crate) fn hand_over<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>> {
        self.table.push(value).map_err(|_| Error::LimitReached("handles".into()))
    }
}

/// Standard output and error, the arguments, clocks and random numbers. The rest is there and empty: no environment, no
/// standard input, no directory, no socket.
fn wasi(component: &str, arguments: &[String], stdio: &Stdio) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.arg(component).args(arguments).stdout(stdio.stdout.clone()).stderr(stdio.stderr.clone());
    // A socket that reaches nothing would still be a file descriptor of the host.
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    wasi.build()
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
