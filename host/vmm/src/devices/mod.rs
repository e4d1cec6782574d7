//! The devices of a microVM: virtio over MMIO, as "Virtual I/O Device (VIRTIO) Version 1.2" has it.
//!
//! ```text
//!   virtual processors' threads                            device thread
//!     register access                                        kick of a driver, bytes of the host's
//!           │                                                        │
//!   Devices: which page? ──► Device (lock) ◄───────────────────── serve
//!                              ├─ Transport: registers, order of set-up, queues
//!                              ├─ Model: block, rng, vsock
//!                              └─ Interrupt ──► eventfd ──► KVM
//! ```
//!
//! Whatever a guest does to registers, queues and packets, the host stays up and what it holds stays bounded. An access that
//! makes no sense is counted and changes nothing; a queue that makes none leaves its device in need of a reset.

mod block;
mod chain;
mod device;
mod interrupt;
mod model;
mod orders;
mod queue;
mod registers;
mod ring;
mod rng;
mod thread;
mod transport;
mod vsock;

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use block::Block;
pub use block::{Access, Disk};
use device::{Device, DeviceState};
use model::{Model, Progress};
use orders::Orders;
pub use queue::QueueError;
use rng::Rng;
pub use thread::WaitError;
pub use transport::TransportError;
use vsock::Vsock;

use crate::layout;

/// What the devices are made of. All is open already.
#[derive(Debug)]
pub struct Wiring {
    /// Disks: the first is the guest's `/dev/vda`.
    pub disks: Vec<Disk>,
    /// The agent's client, at the other end of the vsock device's connections.
    pub agent: UnixStream,
}

/// Devices are not made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// More than there are pages of registers and interrupt lines.
    #[error("failed to place {0} devices")]
    TooMany(usize),
    /// An event descriptor is refused.
    #[error("failed to make an event descriptor")]
    Event(#[source] std::io::Error),
    /// The length of a disk's file is not known.
    #[error("failed to ask for a disk's length")]
    Disk(#[source] std::io::Error),
    /// The agent's socket cannot be waited for.
    #[error("failed to wait for the agent's client")]
    Agent(#[source] std::io::Error),
    /// A queue of a device of ours is none.
    #[error("failed to make a queue")]
    Queue(#[source] QueueError),
    /// The saved state is of other devices: their number or a disk's capacity differs.
    #[error("failed to restore other devices than were saved")]
    Differ,
    /// One device is not restored.
    #[error("failed to restore device {index}")]
    Restore {
        /// Its number.
        index: usize,
        /// Why.
        #[source]
        source: TransportError,
    },
}

/// What KVM has to be told of one device.
#[derive(Debug)]
pub struct Connection<'d> {
    /// Guest physical address of a register. A write of any length to it is a kick.
    pub kick_address: u64,
    /// Gets one for each kick: `KVM_IOEVENTFD`, without a value to match.
    pub kick: &'d EventFd,
    /// Interrupt line: an edge for each event.
    pub interrupt: u32,
    /// `KVM_IRQFD`, without resampling.
    pub line: &'d EventFd,
}

/// What a guest did that no driver should do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Accesses to addresses where no device is.
    pub unclaimed: u64,
    /// Accesses to registers that were refused.
    pub strays: u64,
    /// Times that a device came to need a reset.
    pub breakdowns: u64,
    /// Packets of the socket device that made no sense.
    pub packets: u64,
}

/// All devices of a machine.
pub struct Devices {
    memory: GuestMemoryMmap,
    devices: Vec<Device>,
    capacities: Vec<u64>,
    orders: Orders,
    unclaimed: AtomicU64,
}

/// The devices of a saved machine. Anybody may have written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesState {
    devices: Vec<DeviceState>,
    capacities: Vec<u64>,
}

impl Devices {
    /// Devices as after a reset.
    ///
    /// # Errors
    /// Each variant of [`DeviceError`] but those of a restore.
    pub fn new(memory: GuestMemoryMmap, wiring: Wiring) -> Result<Self, DeviceError> {
        let capacities = wiring.disks.iter().map(|disk| disk.capacity).collect();
        // Fixed devices first: a device's place does not depend on how many disks there are.
        let mut models: Vec<Box<dyn Model>> =
            vec![Box::new(Vsock::new(wiring.agent).map_err(DeviceError::Agent)?), Box::new(Rng)];
        for disk in wiring.disks {
            models.push(Box::new(Block::new(disk).map_err(DeviceError::Disk)?));
        }
        if models.len() > layout::MAX_DEVICES as usize {
            return Err(DeviceError::TooMany(models.len()));
        }
        let devices = models.into_iter().map(device).collect::<Result<_, _>>()?;
        let orders = Orders::new().map_err(DeviceError::Event)?;
        Ok(Self { memory, devices, capacities, orders, unclaimed: AtomicU64::new(0) })
    }

    /// Devices as they were saved, around the memory of that time.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), [`DeviceError::Differ`] and [`DeviceError::Restore`].
    pub fn restore(
        memory: GuestMemoryMmap,
        wiring: Wiring,
        state: &DevicesState,
    ) -> Result<Self, DeviceError> {
        let made = Self::new(memory, wiring)?;
        if made.devices.len() != state.devices.len() || made.capacities != state.capacities {
            return Err(DeviceError::Differ);
        }
        for (index, (device, state)) in made.devices.iter().zip(&state.devices).enumerate() {
            device.restore(state, &made.memory).map_err(|source| DeviceError::Restore { index, source })?;
        }
        Ok(made)
    }

    /// What KVM has to be told before the guest runs.
    pub fn connections(&self) -> impl Iterator<Item = Connection<'_>> {
        self.devices.iter().zip(0..).filter_map(|(device, index)| {
            Some(Connection {
                kick_address: page(index) + registers::QUEUE_NOTIFY,
                kick: device.kick(),
                interrupt: layout::interrupt(index)?,
                line: device.line(),
            })
        })
    }

    /// What the kernel's command line says of the devices: they cannot be found otherwise. Words between spaces.
    #[must_use]
    pub fn kernel_arguments(&self) -> String {
        let words = (0..self.devices.len() as u64).zip(self.connections()).map(|(index, connection)| {
            let address = layout::DEVICES + index * layout::DEVICE_SIZE;
            let size = layout::DEVICE_SIZE / 1024;
            format!("virtio_mmio.device={size}K@{address:#x}:{}", connection.interrupt)
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Reads from a guest physical address outside memory. Where nothing is, all bits are ones.
    pub fn mmio_read(&self, address: u64, data: &mut [u8]) {
        match self.find(address) {
            Some((device, offset)) => device.read(offset, data),
            None => {
                data.fill(0xff);
                self.unclaimed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes to a guest physical address outside memory. Where nothing is, nothing happens.
    pub fn mmio_write(&self, address: u64, data: &[u8]) {
        match self.find(address) {
            Some((device, offset)) => device.write(offset, data, &self.memory),
            None => _ = self.unclaimed.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn find(&self, address: u64) -> Option<(&Device, u64)> {
        let offset = address.checked_sub(layout::DEVICES)?;
        let index = usize::try_from(offset / layout::DEVICE_SIZE).ok()?;
        Some((self.devices.get(index)?, offset % layout::DEVICE_SIZE))
    }

    /// The device thread's work. Returns after [`stop`](Self::stop).
    ///
    /// # Errors
    /// If it cannot wait for events; devices then stand still.
    pub fn run(&self) -> Result<(), WaitError> {
        thread::run(&self.devices, &self.orders, &self.memory)
    }

    /// One turn of the device thread, on the calling thread, which is the only one. True if there is more to do at once.
    pub fn serve(&self) -> bool {
        let turns = self.devices.iter().map(|device| device.serve(&self.memory));
        turns.filter(|progress| *progress == Progress::More).count() > 0
    }

    /// Lets the device thread stand still, between two requests. Returns when it does.
    pub fn pause(&self) {
        self.orders.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.orders.resume();
    }

    /// Ends it. Returns when it serves nothing any more.
    pub fn stop(&self) {
        self.orders.stop();
    }

    /// The devices' state, while the device thread is paused and no virtual processor runs.
    #[must_use]
    pub fn save(&self) -> DevicesState {
        DevicesState {
            devices: self.devices.iter().map(Device::save).collect(),
            capacities: self.capacities.clone(),
        }
    }

    /// What the guest did so far that no driver should do.
    #[must_use]
    pub fn oddities(&self) -> Oddities {
        Oddities {
            unclaimed: self.unclaimed.load(Ordering::Relaxed),
            strays: self.devices.iter().map(Device::strays).sum(),
            breakdowns: self.devices.iter().map(Device::breakdowns).sum(),
            packets: self.devices.iter().map(|device| device.with_model(|model| model.oddities())).sum(),
        }
    }
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Devices").field("devices", &self.devices.len()).finish_non_exhaustive()
    }
}

fn device(model: Box<dyn Model>) -> Result<Device, DeviceError> {
    let event = || EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map_err(DeviceError::Event);
    Device::new(model, event()?, event()?).map_err(DeviceError::Queue)
}

/// Guest physical address of a device's registers.
fn page(index: u32) -> u64 {
    layout::DEVICES + u64::from(index) * layout::DEVICE_SIZE
}
