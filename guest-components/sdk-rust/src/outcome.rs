//! How an orchestrator ends.

use std::fmt::Display;

/// What the function given to [`main!`](crate::main) may return. An error becomes the reason why there is no exit code.
pub trait Outcome {
    /// The exit code, or why there is none.
    fn report(self) -> Result<u8, String>;
}

impl Outcome for () {
    fn report(self) -> Result<u8, String> {
        Ok(0)
    }
}

impl Outcome for u8 {
    fn report(self) -> Result<u8, String> {
        Ok(self)
    }
}

impl<T: Outcome, E: Display> Outcome for Result<T, E> {
    fn report(self) -> Result<u8, String> {
        self.map_err(|error| error.to_string())?.report()
    }
}
