//! Streams between a guest and a sandbox, each with the word on how it ended.
//!
//! ```text
//!   guest's stream ─► Inflow ──► standard input, keys, a file     the guest's write is done when the bytes are out
//!   guest's stream ◄─ Outflow ◄─ output, a screen, a file         read when the guest reads
//!   guest's stream ◄─ Items ◄─── events, changes                  the same, item by item
//! ```
//!
//! Nothing is read ahead and nothing is kept: who does not read makes the other side wait.

mod inflow;
mod items;
mod outflow;

use mimobox_sandbox::{Error, Result};
use tokio::sync::oneshot;
use wasmtime::component::{Access, FutureReader, StreamReader};

use crate::answer::Later;
use crate::bindings::host::mimobox::host::types;
use crate::convert;
use crate::ctx::{Ctx, Host};

pub(crate) use self::inflow::Inflow;
pub(crate) use self::items::Items;
pub(crate) use self::outflow::Outflow;

/// A stream, and the future that says how it ended.
pub(crate) type Ending<T> =
    wasmtime::Result<(StreamReader<T>, FutureReader<std::result::Result<(), types::Error>>)>;

/// How a stream ended, as its producer tells it; dropped without a word, it ended well: the guest closed it.
pub(crate) type End = oneshot::Receiver<Result<()>>;

/// The future that tells a guest of `end`.
pub(crate) fn ending(host: &mut Access<'_, Ctx, Host>, end: End) -> Later<()> {
    FutureReader::new(host, async move {
        wasmtime::error::Ok(end.await.unwrap_or(Ok(())).map_err(convert::error))
    })
}

/// An end that is known from the start.
fn ended(how: Result<()>) -> End {
    let (tell, end) = oneshot::channel();
    let _ = tell.send(how);
    end
}

/// The end of what can be taken once, and was.
fn taken_before() -> End {
    ended(Err(Error::AlreadyExists))
}
