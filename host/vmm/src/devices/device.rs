//! One device: its registers, its model and the lock around both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

use super::interrupt::Interrupt;
use super::model::{Model, Progress};
use super::queue::QueueError;
use super::registers::{self as register, interrupt};
use super::ring::{Ring, RingError};
use super::transport::{Effect, Stray, Transport, TransportError, TransportState};

/// A device in its page of registers. Virtual processors' threads use the registers, the device thread serves queues.
pub(crate) struct Device {
    inner: Mutex<Inner>,
    interrupt: Interrupt,
    /// Readable when the driver has kicked. KVM writes it; so does [`write`](Self::write) where KVM was not told to.
    kick: EventFd,
    strays: AtomicU64,
    breakdowns: AtomicU64,
}

struct Inner {
    transport: Transport,
    model: Box<dyn Model>,
}

impl Device {
    pub(crate) fn new(model: Box<dyn Model>, line: EventFd, kick: EventFd) -> Result<Self, QueueError> {
        let transport = Transport::new(&*model)?;
        Ok(Self {
            inner: Mutex::new(Inner { transport, model }),
            interrupt: Interrupt::new(line),
            kick,
            strays: AtomicU64::new(0),
            breakdowns: AtomicU64::new(0),
        })
    }

    pub(crate) fn kick(&self) -> &EventFd {
        &self.kick
    }

    pub(crate) fn line(&self) -> &EventFd {
        self.interrupt.line()
    }

    /// Accesses that no driver should make.
    pub(crate) fn strays(&self) -> u64 {
        self.strays.load(Ordering::Relaxed)
    }

    /// Times that it came to need a reset.
    pub(crate) fn breakdowns(&self) -> u64 {
        self.breakdowns.load(Ordering::Relaxed)
    }

    /// Reads from its page. What cannot be read reads as ones.
    pub(crate) fn read(&self, offset: u64, data: &mut [u8]) {
        if self.try_read(offset, data).is_err() {
            data.fill(0xff);
            self.strays.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes to its page. What cannot be written stays as it was.
    pub(crate) fn write(&self, offset: u64, data: &[u8], memory: &GuestMemoryMmap) {
        if self.try_write(offset, data, memory).is_err() {
            self.strays.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn try_read(&self, offset: u64, data: &mut [u8]) -> Result<(), Stray> {
        if let Some(offset) = offset.checked_sub(register::CONFIG) {
            return self.read_configuration(offset, data);
        }
        // Section 4.2.2.2: registers are read and written as aligned words.
        let word: &mut [u8; 4] = data.try_into().map_err(|_| Stray)?;
        let value = match offset {
            register::INTERRUPT_STATUS => self.interrupt.status(),
            offset => self.inner.lock().transport.read(offset)?,
        };
        *word = value.to_le_bytes();
        Ok(())
    }

    fn read_configuration(&self, offset: u64, data: &mut [u8]) -> Result<(), Stray> {
        let inner = self.inner.lock();
        let begin = usize::try_from(offset).map_err(|_| Stray)?;
        let end = begin.checked_add(data.len()).ok_or(Stray)?;
        data.copy_from_slice(inner.model.configuration().get(begin..end).ok_or(Stray)?);
        Ok(())
    }

    fn try_write(&self, offset: u64, data: &[u8], memory: &GuestMemoryMmap) -> Result<(), Stray> {
        let value = u32::from_le_bytes(data.try_into().map_err(|_| Stray)?);
        match offset {
            register::INTERRUPT_ACKNOWLEDGE => self.interrupt.acknowledge(value),
            // Any queue's: all are looked at. The eventfd fails only when it is full of kicks.
            register::QUEUE_NOTIFY => _ = self.kick.write(1),
            offset => {
                let mut inner = self.inner.lock();
                match inner.transport.write(offset, value, memory)? {
                    Effect::Nothing => {}
                    Effect::Reset => {
                        inner.model.reset();
                        self.interrupt.acknowledge(u32::MAX);
                    }
                    Effect::Live => _ = self.kick.write(1),
                    Effect::Broken => self.break_down(&mut inner),
                }
            }
        }
        Ok(())
    }

    /// Serves its queues, if it is live. Only the device thread does.
    pub(crate) fn serve(&self, memory: &GuestMemoryMmap) -> Progress {
        let mut inner = self.inner.lock();
        let Inner { transport, model } = &mut *inner;
        if !transport.is_live() {
            return Progress::Idle;
        }
        let mut rings: Vec<Ring<'_, '_>> =
            transport.queues().iter_mut().map(|queue| queue.ring(memory)).collect();
        match serve(&mut **model, &mut rings) {
            Ok((progress, wants_interrupt)) => {
                if wants_interrupt {
                    self.interrupt.raise(interrupt::USED_BUFFER);
                }
                progress
            }
            Err(_) => {
                self.break_down(&mut inner);
                Progress::Idle
            }
        }
    }

    fn break_down(&self, inner: &mut Inner) {
        self.breakdowns.fetch_add(1, Ordering::Relaxed);
        inner.model.reset();
        if inner.transport.break_down() {
            self.interrupt.raise(interrupt::CONFIGURATION);
        }
    }

    /// Looks at the model under the lock.
    pub(crate) fn with_model<T>(&self, look: impl FnOnce(&dyn Model) -> T) -> T {
        look(&*self.inner.lock().model)
    }

    /// When it wants to be served though nothing happened.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        inner.model.deadline().filter(|_| inner.transport.is_live())
    }

    /// Interrupts the guest again for what it has not acknowledged.
    pub(crate) fn repeat_interrupt(&self) {
        self.interrupt.repeat();
    }

    pub(crate) fn save(&self) -> DeviceState {
        let inner = self.inner.lock();
        DeviceState {
            transport: inner.transport.save(),
            interrupt: self.interrupt.status(),
            engaged: inner.model.is_engaged(),
        }
    }

    pub(crate) fn restore(
        &self,
        state: &DeviceState,
        memory: &GuestMemoryMmap,
    ) -> Result<(), TransportError> {
        let mut inner = self.inner.lock();
        inner.transport.restore(&state.transport, memory)?;
        if state.engaged {
            inner.model.disengage();
        }
        self.interrupt.restore(state.interrupt);
        Ok(())
    }
}

/// A saved device.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct DeviceState {
    transport: TransportState,
    interrupt: u32,
    engaged: bool,
}

fn serve(model: &mut dyn Model, rings: &mut [Ring<'_, '_>]) -> Result<(Progress, bool), RingError> {
    let progress = model.serve(rings)?;
    let mut wants_interrupt = false;
    for ring in rings {
        wants_interrupt |= ring.wants_interrupt()?;
    }
    Ok((progress, wants_interrupt))
}
