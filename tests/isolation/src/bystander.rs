//! A process of the host that has nothing to do with any sandbox.

use std::process::{Child, Command};

/// It sleeps, and is ended when this is dropped. Its command line holds a number of its own.
#[derive(Debug)]
pub struct Bystander(Child);

impl Bystander {
    /// Starts one.
    #[allow(clippy::disallowed_methods, reason = "is a process of the host")]
    pub fn start() -> Self {
        Self(Command::new("sleep").args(["3600"]).env("SECRET", "of the host").spawn().unwrap())
    }

    /// Its number on the host.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it was ended by somebody else.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // It may have been ended, by an attempt that was to succeed.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}
