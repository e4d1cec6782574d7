//! The registers of one device and what a driver may do with them, in which order: sections 3.1 and 4.2 of virtio 1.2.
//!
//! ```text
//!          ACKNOWLEDGE, DRIVER        FEATURES_OK             DRIVER_OK
//!   reset ─────────────────────► found ───────────► negotiated ───────────► live ─── serves queues
//!     ▲                                │ refused: the     queues are made       │
//!     │                                ▼ bit stays clear  ready here            │ a broken queue
//!     │                             found                                       ▼
//!     └──────────── 0 ◄──────────────────────────────────────────── needs reset, or FAILED
//! ```
//!
//! The driver is hostile: what comes at the wrong time or with a wrong value changes nothing and is told to the caller, who
//! counts it. What cannot be ignored, a bad queue above all, makes the device need a reset.

use serde::{Deserialize, Serialize};
use vm_memory::GuestMemoryMmap;

use super::model::Model;
use super::queue::{DeviceQueue, QueueError, QueueState};
use super::registers::{self as register, feature, status};

/// An access that no driver should make. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stray;

/// What follows from a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// The driver starts anew.
    Reset,
    /// The device is live from now on: there may be chains already.
    Live,
    /// The driver must be told that it has to start anew.
    Broken,
}

/// The registers of one device, but for the interrupt's.
#[derive(Debug)]
pub(crate) struct Transport {
    kind: u32,
    offered: u64,
    accepted: u64,
    offered_half: u32,
    accepted_half: u32,
    selected: u32,
    status: u32,
    queues: Vec<DeviceQueue>,
}

/// Registers of a saved device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransportState {
    kind: u32,
    accepted: u64,
    offered_half: u32,
    accepted_half: u32,
    selected: u32,
    status: u32,
    queues: Vec<QueueState>,
}

/// A saved device is not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Kind or number of queues differs.
    #[error("failed to restore a device as one of another kind")]
    Kind,
    /// Accepted features that are not offered.
    #[error("failed to restore features that are not offered: {0:#x}")]
    Features(u64),
    /// Bits that no driver can set, or out of order.
    #[error("failed to restore device status {0:#x}")]
    Status(u32),
    /// A queue is none.
    #[error("failed to restore a queue")]
    Queue(#[source] QueueError),
}

impl Transport {
    /// The registers after a reset.
    pub(crate) fn new(model: &dyn Model) -> Result<Self, QueueError> {
        Ok(Self {
            kind: model.kind(),
            offered: model.features() | feature::VERSION_1 | feature::EVENT_INDEX,
            accepted: 0,
            offered_half: 0,
            accepted_half: 0,
            selected: 0,
            status: 0,
            queues: model.queues().iter().map(|most| DeviceQueue::new(*most)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether queues are served.
    pub(crate) fn is_live(&self) -> bool {
        let broken = status::NEEDS_RESET | status::FAILED;
        self.has(status::DRIVER_OK | status::FEATURES_OK) && self.status & broken == 0
    }

    pub(crate) fn queues(&mut self) -> &mut [DeviceQueue] {
        &mut self.queues
    }

    /// The device cannot go on. True if the driver has to be told: section 2.1.2.
    pub(crate) fn break_down(&mut self) -> bool {
        self.status |= status::NEEDS_RESET;
        self.has(status::DRIVER_OK)
    }

    /// Reads a register; not the interrupt's and not the configuration.
    pub(crate) fn read(&self, offset: u64) -> Result<u32, Stray> {
        Ok(match offset {
            register::MAGIC_VALUE => register::MAGIC,
            register::VERSION => register::TRANSPORT_VERSION,
            register::DEVICE_ID => self.kind,
            register::VENDOR_ID => register::VENDOR,
            register::DEVICE_FEATURES => half(self.offered, self.offered_half),
            // A queue that does not exist has no room: section 4.2.2.
            register::QUEUE_SIZE_MAX => self.queue().map_or(0, |queue| queue.most().into()),
            register::QUEUE_READY => self.queue().map_or(0, |queue| queue.ready().into()),
            register::STATUS => self.status,
            register::CONFIG_GENERATION => 0,
            offset if register::SHARED_MEMORY.contains(&offset) => u32::MAX,
            _ => return Err(Stray),
        })
    }

    /// Writes a register; not the interrupt's, the kick's or the configuration.
    pub(crate) fn write(
        &mut self,
        offset: u64,
        value: u32,
        memory: &GuestMemoryMmap,
    ) -> Result<Effect, Stray> {
        match offset {
            register::DEVICE_FEATURES_SELECT => self.offered_half = value,
            register::DRIVER_FEATURES_SELECT => self.accepted_half = value,
            register::DRIVER_FEATURES => self.accept(value)?,
            register::QUEUE_SELECT => self.selected = value,
            register::QUEUE_SIZE => self.layout()?.size = value,
            register::QUEUE_DESCRIPTORS_LOW => set_low(&mut self.layout()?.descriptors, value),
            register::QUEUE_DESCRIPTORS_HIGH => set_high(&mut self.layout()?.descriptors, value),
            register::QUEUE_AVAILABLE_LOW => set_low(&mut self.layout()?.available, value),
            register::QUEUE_AVAILABLE_HIGH => set_high(&mut self.layout()?.available, value),
            register::QUEUE_USED_LOW => set_low(&mut self.layout()?.used, value),
            register::QUEUE_USED_HIGH => set_high(&mut self.layout()?.used, value),
            register::QUEUE_READY => return self.set_ready(value, memory),
            register::STATUS => return self.set_status(value),
            register::SHARED_MEMORY_SELECT => {}
            _ => return Err(Stray),
        }
        Ok(Effect::Nothing)
    }

    fn has(&self, bits: u32) -> bool {
        self.status & bits == bits
    }

    fn queue(&self) -> Option<&DeviceQueue> {
        self.queues.get(usize::try_from(self.selected).ok()?)
    }

    fn queue_mut(&mut self) -> Result<&mut DeviceQueue, Stray> {
        let selected = usize::try_from(self.selected).map_err(|_| Stray)?;
        self.queues.get_mut(selected).ok_or(Stray)
    }

    /// The selected queue's layout, while it may be changed: section 4.2.2.2.
    fn layout(&mut self) -> Result<&mut super::queue::Layout, Stray> {
        let negotiated = self.has(status::FEATURES_OK);
        let queue = self.queue_mut()?;
        if queue.ready() || !negotiated { Err(Stray) } else { Ok(&mut queue.layout) }
    }

    /// Features are negotiated between DRIVER and FEATURES_OK: section 3.1.1.
    fn accept(&mut self, value: u32) -> Result<(), Stray> {
        if !self.has(status::DRIVER) || self.has(status::FEATURES_OK) {
            return Err(Stray);
        }
        match self.accepted_half {
            0 => set_low(&mut self.accepted, value),
            1 => set_high(&mut self.accepted, value),
            _ if value == 0 => {}
            _ => return Err(Stray),
        }
        Ok(())
    }

    fn set_ready(&mut self, value: u32, memory: &GuestMemoryMmap) -> Result<Effect, Stray> {
        let event_index = self.accepted & feature::EVENT_INDEX != 0;
        let negotiated = self.has(status::FEATURES_OK);
        let queue = self.queue_mut()?;
        match value {
            0 => queue.stop(),
            1 if queue.ready() || !negotiated => return Err(Stray),
            1 => {
                if queue.make_ready(memory, event_index).is_err() {
                    self.status |= status::NEEDS_RESET;
                    return Ok(Effect::Broken);
                }
            }
            _ => return Err(Stray),
        }
        Ok(Effect::Nothing)
    }

    /// Section 3.1.1: bits are added in order, and never taken away but all at once.
    fn set_status(&mut self, value: u32) -> Result<Effect, Stray> {
        if value == 0 {
            self.reset();
            return Ok(Effect::Reset);
        }
        let said = self.status & status::OF_DRIVER;
        let unknown = value & !(status::OF_DRIVER | status::NEEDS_RESET);
        if unknown != 0 || said & !value != 0 {
            return Err(Stray);
        }
        let added = value & status::OF_DRIVER & !said;
        let was_live = self.is_live();
        // FEATURES_OK that stays clear is how a device refuses: section 3.1.1, step 6.
        let refused = added & status::FEATURES_OK != 0 && !self.features_are_good();
        self.status |= if refused { added & !status::FEATURES_OK } else { added };
        let before = added & status::DRIVER_OK != 0 && !self.has(status::FEATURES_OK);
        let order = status::ACKNOWLEDGE | status::DRIVER;
        if before || (added & status::FEATURES_OK != 0 && !self.has(order)) {
            // It goes on without having agreed on anything.
            self.status |= status::NEEDS_RESET;
            return Ok(Effect::Broken);
        }
        Ok(if self.is_live() && !was_live { Effect::Live } else { Effect::Nothing })
    }

    fn features_are_good(&self) -> bool {
        self.accepted & !self.offered == 0 && self.accepted & feature::VERSION_1 != 0
    }

    fn reset(&mut self) {
        self.accepted = 0;
        self.offered_half = 0;
        self.accepted_half = 0;
        self.selected = 0;
        self.status = 0;
        self.queues.iter_mut().for_each(DeviceQueue::reset);
    }

    pub(crate) fn save(&self) -> TransportState {
        TransportState {
            kind: self.kind,
            accepted: self.accepted,
            offered_half: self.offered_half,
            accepted_half: self.accepted_half,
            selected: self.selected,
            status: self.status,
            queues: self.queues.iter().map(DeviceQueue::save).collect(),
        }
    }

    /// Becomes what was saved. The state is hostile too: only what a driver could have brought about is taken.
    pub(crate) fn restore(
        &mut self,
        state: &TransportState,
        memory: &GuestMemoryMmap,
    ) -> Result<(), TransportError> {
        if state.kind != self.kind || state.queues.len() != self.queues.len() {
            return Err(TransportError::Kind);
        }
        self.accepted = state.accepted;
        self.offered_half = state.offered_half;
        self.accepted_half = state.accepted_half;
        self.selected = state.selected;
        self.status = state.status;
        let negotiated = self.has(status::FEATURES_OK);
        if negotiated && !self.features_are_good() {
            return Err(TransportError::Features(state.accepted));
        }
        let lives = self.has(status::DRIVER_OK) && !negotiated && !self.has(status::NEEDS_RESET);
        if lives || state.status & !(status::OF_DRIVER | status::NEEDS_RESET) != 0 {
            return Err(TransportError::Status(state.status));
        }
        let event_index = self.accepted & feature::EVENT_INDEX != 0;
        for (queue, state) in self.queues.iter_mut().zip(&state.queues) {
            queue.restore(state, memory, event_index).map_err(TransportError::Queue)?;
        }
        Ok(())
    }
}

fn half(value: u64, half: u32) -> u32 {
    let bytes = value.to_le_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    match half {
        0 => u32::from_le_bytes([a, b, c, d]),
        1 => u32::from_le_bytes([e, f, g, h]),
        _ => 0,
    }
}

fn set_low(value: &mut u64, low: u32) {
    *value = *value & !u64::from(u32::MAX) | u64::from(low);
}

fn set_high(value: &mut u64, high: u32) {
    *value = *value & u64::from(u32::MAX) | u64::from(high) << 32;
}
