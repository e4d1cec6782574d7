//! `mimobox:host/timer`: to wait.

use std::time::{Duration, Instant};

use wasmtime::Result;
use wasmtime::component::{Access, FutureReader};

use crate::bindings::host::mimobox::host::timer::{Host as Interface, HostWithStore};
use crate::convert::nanoseconds;
use crate::ctx::{Ctx, Host};

/// Nobody sleeps longer in one go. The guest is told how long it was.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Interface for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn sleep(mut host: Access<'_, Ctx, Self>, duration: u64) -> Result<FutureReader<u64>> {
        let since = Instant::now();
        let sleep = tokio::time::sleep(Duration::from_nanos(duration).min(LONGEST));
        FutureReader::new(&mut host, async move {
            sleep.await;
            wasmtime::error::Ok(nanoseconds(since.elapsed()))
        })
    }
}
