//! A thread's visit to the groups of a sandbox, so that the sandbox's first process is born in them.
//!
//! Moving a process by its number takes a lock that waits for every processor of the machine to have passed through the
//! scheduler (`cgroup_threadgroup_rwsem`): some milliseconds, which no other step of making a sandbox comes near. A thread
//! that moves itself needs no such lock, and what it clones is born where it is. Version 2 can clone into a group at once.

use std::io;
use std::sync::Arc;

use super::error::CgroupError;
use super::host_groups::Level;

/// The calling thread is in the groups until this is dropped or it [leaves](Visit::leave). Stays on its thread.
#[derive(Debug)]
pub struct Visit {
    levels: Vec<Arc<Level>>,
    _on_its_thread: std::marker::PhantomData<*const ()>,
}

impl Visit {
    pub(super) fn begin() -> Self {
        Self { levels: Vec::new(), _on_its_thread: std::marker::PhantomData }
    }

    /// Notes that the thread has just entered a group of `level`.
    pub(super) fn entered(&mut self, level: &Arc<Level>) {
        self.levels.push(Arc::clone(level));
    }

    /// Takes the thread back to where the host is.
    ///
    /// # Errors
    /// `Leave`: it is still in a group of the sandbox, which therefore can't be removed.
    pub fn leave(mut self) -> Result<(), CgroupError> {
        self.go_home().map_err(CgroupError::Leave)
    }

    fn go_home(&mut self) -> io::Result<()> {
        let mut first = Ok(());
        for level in self.levels.drain(..) {
            first = first.and(level.take_thread_home());
        }
        first
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // Only after another failure, which is the one that is told.
        let _ = self.go_home();
    }
}
