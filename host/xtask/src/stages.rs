//! Says what a task is doing and how long each part took.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The parts of one task, in the order in which they ran.
#[derive(Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// Runs one part, under its name.
    pub(crate) fn run<T>(&mut self, name: &'static str, part: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("── {name}");
        let since = Instant::now();
        let result = part();
        self.done.push((name, since.elapsed()));
        result
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        let parts: Vec<String> =
            self.done.iter().map(|(name, took)| format!("{name} {:.1} s", took.as_secs_f64())).collect();
        eprintln!("── took: {}", parts.join(" · "));
    }
}
