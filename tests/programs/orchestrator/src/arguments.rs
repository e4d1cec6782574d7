//! The arguments of a behaviour, one after another.

use std::error::Error;
use std::str::FromStr;
use std::vec::IntoIter;

/// What is left of the arguments.
pub(crate) struct Arguments(IntoIter<String>);

impl Arguments {
    pub(crate) fn new(arguments: Vec<String>) -> Self {
        Self(arguments.into_iter())
    }

    /// The next one. `what` is its name, should it be missing or of no use.
    pub(crate) fn next<T: FromStr>(&mut self, what: &str) -> Result<T, Box<dyn Error>> {
        let argument = self.0.next().ok_or_else(|| format!("{what} is missing"))?;
        argument.parse().map_err(|_| format!("{argument:?} is no {what}").into())
    }

    /// All that follow.
    pub(crate) fn rest(self) -> Vec<String> {
        self.0.collect()
    }
}
