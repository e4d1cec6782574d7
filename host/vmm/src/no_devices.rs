//! A machine without devices.

use serde::{Deserialize, Serialize};

/// No devices: every address is unknown.
#[derive(Debug)]
pub(crate) struct Devices;

/// Nothing to save.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DevicesState;

impl Devices {
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn mmio_read(&self, _address: u64, data: &mut [u8]) {
        data.fill(0xff);
    }

    pub(crate) fn mmio_write(&self, _address: u64, _data: &[u8]) {}

    pub(crate) fn save(&self) -> DevicesState {
        DevicesState
    }
}
