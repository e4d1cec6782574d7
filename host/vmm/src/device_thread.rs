//! The thread that serves the devices.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;

use mimobox_vmm_protocol::{End, Failure};

use crate::board::Board;
use crate::jail::Filter;
use crate::reports::{Report, Reporter};

/// Enough for the thread, in any build.
const STACK: usize = 512 * 1024;

/// The thread, before it has devices.
#[derive(Debug)]
pub(crate) struct DeviceThread {
    board: Sender<Arc<Board>>,
}

impl DeviceThread {
    /// Starts it. First of all it installs its filter and says so ([`Report::Jailed`]).
    ///
    /// # Errors
    /// `Thread`.
    pub(crate) fn start(filter: Filter, reporter: Reporter) -> Result<Self, Failure> {
        let (board, received) = channel::<Arc<Board>>();
        let body = move || {
            reporter.send(Report::Jailed(filter, filter.install()));
            let Ok(board) = received.recv() else { return };
            if board.devices.run().is_err() {
                reporter.send(Report::Ended(End::ThreadFailed));
            }
        };
        Builder::new().name("devices".into()).stack_size(STACK).spawn(body).map_err(|_| Failure::Thread)?;
        Ok(Self { board })
    }

    /// Gives it the devices, which stand still until they are resumed.
    ///
    /// # Errors
    /// `Thread`: it is gone.
    pub(crate) fn serve(self, board: &Arc<Board>) -> Result<(), Failure> {
        board.devices.pause();
        self.board.send(Arc::clone(board)).map_err(|_| Failure::Thread)
    }
}
