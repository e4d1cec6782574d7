//! What the guest's processors see besides memory: I/O ports and the registers of devices.
//!
//! ```text
//!   vCPU threads ── port ────► Ports ── serial port ──► log
//!                └─ address ─► Devices
//! ```
//!
//! Every call is short and none waits: a processor whose guest floods ports or registers can still be stopped.

mod log;
mod ports;
mod serial;

use parking_lot::Mutex;

pub(crate) use log::Log;
pub(crate) use ports::{PortWrite, Ports};
pub(crate) use serial::{SerialLine, SerialState};

use crate::devices::Devices;

/// The board that a machine's processors share.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) ports: Mutex<Ports>,
    pub(crate) devices: Devices,
}
