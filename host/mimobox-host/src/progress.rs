//! A word on the terminal while something takes its time.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

/// Nobody misses a word about less.
const NOTICEABLE: Duration = Duration::from_millis(200);
const ERASE_LINE: &str = "\r\x1b[2K";

/// Does `work` on a thread of its own. Where it takes noticeably long, `what` stands on the terminal meanwhile.
///
/// # Errors
/// `work` panicked.
pub(crate) async fn shown<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let mut working = spawn_blocking(work);
    if let Ok(done) = timeout(NOTICEABLE, &mut working).await {
        return done;
    }
    let terminal = io::stderr().is_terminal();
    if terminal {
        put(&format!("{what}…"));
    }
    let done = working.await;
    if terminal {
        put(ERASE_LINE);
    }
    done
}

fn put(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
