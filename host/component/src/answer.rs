//! Operations that a guest has begun, and whose answer it reads from a `future`.
//!
//! An operation begins when the guest calls, not when it reads: so several run at once, and one whose future is never read
//! happens all the same. What nobody takes is not left lying about: a sandbox that was made for a future that is gone is
//! destroyed, a process is killed.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use mimobox_sandbox::{Error, Result, Sandbox};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use wasmtime::StoreContextMut;
use wasmtime::component::{Access, FutureProducer, FutureReader, Lift, Lower, Resource};

use crate::bindings::host::mimobox::host::types;
use crate::convert;
use crate::ctx::{Ctx, Host};

/// What a WIT function gives that answers later.
pub(crate) type Later<T> = wasmtime::Result<FutureReader<Result<T, types::Error>>>;

/// Operations of one run at once. A guest that drops their futures starts no more than this.
const OPERATIONS: u32 = 1024;

/// The operations of one run that are under way.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<Semaphore>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(OPERATIONS as usize)))
    }

    /// Starts one.
    ///
    /// # Errors
    /// `LimitReached`: too many are under way.
    fn begin<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let place = self.0.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::LimitReached("operations at once".into()))?;
        Ok(tokio::spawn(async move {
            // Given back after the operation is gone with all that it holds, aborted or not.
            let _place = place;
            operation.await
        }))
    }

    /// Settles when none is under way any more.
    pub(crate) async fn ended(&self) {
        // The semaphore is never closed.
        let _ = self.0.acquire_many(OPERATIONS).await;
    }
}

/// Starts `operation`; its answer passes `deliver` when the guest reads it. It goes on if the guest drops the future.
pub(crate) fn answer<T: Send + 'static, W>(
    host: &mut Access<'_, Ctx, Host>,
    operation: impl Future<Output = Result<T>> + Send + 'static,
    deliver: impl FnOnce(&mut Ctx, T) -> Result<W> + Send + Unpin + 'static,
) -> Later<W>
where
    W: Lower + Lift + Send + Sync + 'static,
{
    begin_and_deliver(host, operation, deliver, IfDropped::GoOn)
}

/// The same, and the operation is cancelled if the guest drops the future.
pub(crate) fn answer_or_cancel<T: Send + 'static, W>(
    host: &mut Access<'_, Ctx, Host>,
    operation: impl Future<Output = Result<T>> + Send + 'static,
    deliver: impl FnOnce(&mut Ctx, T) -> Result<W> + Send + Unpin + 'static,
) -> Later<W>
where
    W: Lower + Lift + Send + Sync + 'static,
{
    begin_and_deliver(host, operation, deliver, IfDropped::Cancel)
}

/// What is known already.
pub(crate) fn settled<W>(host: &mut Access<'_, Ctx, Host>, answer: Result<W>) -> Later<W>
where
    W: Lower + Lift + Send + Sync + 'static,
{
    let answer = answer.map_err(convert::error);
    FutureReader::new(host, std::future::ready(wasmtime::error::Ok(answer)))
}

/// The answer of an operation that this host does not have yet.
pub(crate) fn unsupported<W>(host: &mut Access<'_, Ctx, Host>, operation: &str) -> Later<W>
where
    W: Lower + Lift + Send + Sync + 'static,
{
    settled(host, Err(Error::Unsupported(operation.into())))
}

/// Starts `operation`, for a stream that waits for what it gives. It goes on if nobody does; what it gives is dropped then.
pub(crate) fn begin<T: Send + 'static>(
    host: &mut Access<'_, Ctx, Host>,
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<T>> + Send>> {
    let task = host.get().tasks.begin(operation);
    Box::pin(async move { outcome(task?.await) })
}

fn begin_and_deliver<T: Send + 'static, W, D>(
    host: &mut Access<'_, Ctx, Host>,
    operation: impl Future<Output = Result<T>> + Send + 'static,
    deliver: D,
    if_dropped: IfDropped,
) -> Later<W>
where
    W: Lower + Lift + Send + Sync + 'static,
    D: FnOnce(&mut Ctx, T) -> Result<W> + Send + Unpin + 'static,
{
    match host.get().tasks.begin(operation) {
        Ok(task) => FutureReader::new(host, UnderWay { task, deliver: Some(deliver), if_dropped }),
        Err(error) => settled(host, Err(error)),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum IfDropped {
    GoOn,
    Cancel,
}

struct UnderWay<T, D> {
    task: JoinHandle<Result<T>>,
    deliver: Option<D>,
    if_dropped: IfDropped,
}

impl<T, D> Drop for UnderWay<T, D> {
    fn drop(&mut self) {
        if self.if_dropped == IfDropped::Cancel {
            self.task.abort();
        }
    }
}

impl<T, W, D> FutureProducer<Ctx> for UnderWay<T, D>
where
    T: Send + 'static,
    D: FnOnce(&mut Ctx, T) -> Result<W> + Send + Unpin + 'static,
{
    type Item = Result<W, types::Error>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, Ctx>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Option<Self::Item>>> {
        let outcome = match self.task.poll_unpin(cx) {
            Poll::Ready(joined) => outcome(joined),
            Poll::Pending if finish => return Poll::Ready(Ok(None)),
            Poll::Pending => return Poll::Pending,
        };
        let Some(deliver) = self.deliver.take() else {
            return Poll::Ready(Err(wasmtime::Error::msg("a future was read twice")));
        };
        let answer = outcome.and_then(|value| deliver(store.data_mut(), value));
        Poll::Ready(Ok(Some(answer.map_err(convert::error))))
    }
}

/// A task that panicked is a failure of the host, told as any other.
fn outcome<T>(joined: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    joined.unwrap_or_else(|panicked| Err(Error::failed(&panicked)))
}

/// What a guest gets a handle of.
pub(crate) trait Owned: Clone + Send + 'static {
    /// What dropping the handle means.
    fn abandon(&self);
}

impl Owned for Sandbox {
    fn abandon(&self) {
        Self::abandon(self);
    }
}

/// Something made for a guest that has not taken it yet. Dropped, it is abandoned.
pub(crate) struct Unclaimed<T: Owned> {
    value: T,
    claimed: bool,
}

impl<T: Owned> Unclaimed<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value, claimed: false }
    }

    /// Gives the guest a handle of it.
    ///
    /// # Errors
    /// `LimitReached`: the guest has too many.
    pub(crate) fn hand_over(mut self, ctx: &mut Ctx) -> Result<Resource<T>> {
        let handle = ctx.hand_over(self.value.clone())?;
        self.claimed = true;
        Ok(handle)
    }
}

impl<T: Owned> Deref for Unclaimed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Owned> Drop for Unclaimed<T> {
    fn drop(&mut self) {
        if !self.claimed {
            self.value.abandon();
        }
    }
}
