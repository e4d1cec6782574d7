//! The end of a sandbox, for all who wait for it.

use mimobox_sandbox::{Error, Result};
use tokio::sync::watch;

/// How the destroying of one sandbox went. Clones know the same.
#[derive(Clone, Debug)]
pub struct Destruction(watch::Sender<Option<Result<()>>>);

impl Default for Destruction {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Destruction {
    /// Tells all who wait, and all who will, what came of it.
    pub fn settle(&self, end: Result<()>) {
        self.0.send_replace(Some(end));
    }

    /// Waits for that.
    ///
    /// # Errors
    /// What came of it.
    pub async fn settled(&self) -> Result<()> {
        match self.0.subscribe().wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(Ok(())),
            // Not as long as this is here to tell.
            Err(_) => Err(Error::Gone),
        }
    }
}
