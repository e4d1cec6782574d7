//! The process that clears up if this one dies: started with the first sandbox, one a backend.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use mimobox_confine::cgroup::HostGroups;
use mimobox_confine::launch::Program;
use parking_lot::Mutex;

use crate::error::JanitorError;

/// Holds the janitor's connection. It clears up when this is dropped, however that happens.
#[derive(Debug, Default)]
pub(crate) struct Janitor {
    connection: Mutex<Option<UnixStream>>,
}

impl Janitor {
    /// Whether it runs, or would have nothing to do.
    pub(crate) fn stands(&self, groups: &HostGroups) -> bool {
        stands(&self.connection.lock(), groups)
    }

    /// Starts it unless it stands. Blocks until it does so on its own.
    pub(crate) fn ensure(&self, program: &Program, groups: &HostGroups) -> Result<(), JanitorError> {
        let mut connection = self.connection.lock();
        if stands(&connection, groups) {
            return Ok(());
        }
        let (ours, theirs) = UnixStream::pair().map_err(JanitorError::SocketPair)?;
        let paths: Vec<_> = groups.paths().map(|path| path.to_string_lossy()).collect();
        let arguments: Vec<_> =
            ["mimobox-agent", "janitor"].into_iter().chain(paths.iter().map(|path| path.as_ref())).collect();
        let mut child = program.start_free(&arguments, theirs.as_fd()).map_err(JanitorError::Launch)?;
        // It leaves a child of its own and ends.
        child.wait().map_err(JanitorError::Detach)?;
        *connection = Some(ours);
        Ok(())
    }
}

fn stands(connection: &Option<UnixStream>, groups: &HostGroups) -> bool {
    // All else ends with the host. An ordinary user may have no cgroups.
    connection.is_some() || groups.paths().next().is_none()
}
