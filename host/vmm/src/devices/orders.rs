//! How other threads stop the device thread, for a while or for good.
//!
//! ```text
//!                 pause                      resume
//!   running ────────────────► parked ────────────────► running
//!      │     between two turns: no request is half done     │
//!      └────────────────────── stop ────────────────────────┘──► away
//! ```

use parking_lot::{Condvar, Mutex};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Run,
    Pause,
    Stop,
}

#[derive(Debug)]
struct State {
    order: Order,
    /// The thread serves devices right now.
    running: bool,
}

/// Orders for the device thread.
#[derive(Debug)]
pub(crate) struct Orders {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable when there is a new order, for a thread that waits for events.
    bell: EventFd,
}

impl Orders {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            state: Mutex::new(State { order: Order::Run, running: false }),
            changed: Condvar::new(),
            bell: EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?,
        })
    }

    pub(crate) fn bell(&self) -> &EventFd {
        &self.bell
    }

    /// Returns when the thread serves nothing. A thread that comes later waits too.
    pub(crate) fn pause(&self) {
        self.give(Order::Pause);
    }

    pub(crate) fn resume(&self) {
        self.give(Order::Run);
    }

    /// Ends the thread. Returns when it serves nothing any more.
    pub(crate) fn stop(&self) {
        self.give(Order::Stop);
    }

    fn give(&self, order: Order) {
        let mut state = self.state.lock();
        // Nothing comes after the end.
        if state.order != Order::Stop {
            state.order = order;
        }
        self.changed.notify_all();
        if order == Order::Run {
            return;
        }
        let _ = self.bell.write(1);
        self.changed.wait_while(&mut state, |state| state.running);
    }

    /// For the device thread, between two turns: waits while it is to pause. False when it is to end.
    pub(crate) fn go_on(&self) -> bool {
        let mut state = self.state.lock();
        // The bell may be silent already.
        let _ = self.bell.read();
        if state.order != Order::Run {
            state.running = false;
            self.changed.notify_all();
            self.changed.wait_while(&mut state, |state| state.order == Order::Pause);
        }
        state.running = state.order == Order::Run;
        state.running
    }

    /// For the device thread: it serves nothing any more.
    pub(crate) fn gone(&self) {
        self.state.lock().running = false;
        self.changed.notify_all();
    }
}
