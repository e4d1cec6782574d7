//! The device thread: waits for kicks and for what devices wait for, and serves queues, in turns that are bounded.

use std::os::fd::AsRawFd;
use std::time::Instant;

use vm_memory::GuestMemoryMmap;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

use super::device::Device;
use super::model::Progress;
use super::orders::Orders;

/// The device thread cannot wait for events: devices stand still.
#[derive(Debug, thiserror::Error)]
#[error("failed to wait for events of devices")]
pub struct WaitError(#[source] std::io::Error);

/// Events for one look. More are seen at the next.
const EVENTS: usize = 32;
/// The bell of the orders among the events, which are known by number of the device otherwise.
const BELL: u64 = u64::MAX;

/// Serves these devices until the order to stop.
pub(crate) fn run(devices: &[Device], orders: &Orders, memory: &GuestMemoryMmap) -> Result<(), WaitError> {
    let result = serve_until_stopped(devices, orders, memory).map_err(WaitError);
    orders.gone();
    result
}

fn serve_until_stopped(
    devices: &[Device],
    orders: &Orders,
    memory: &GuestMemoryMmap,
) -> Result<(), std::io::Error> {
    let waiting = listen(devices, orders)?;
    let mut events = [EpollEvent::default(); EVENTS];
    // After a restore there may be work that nobody kicks for any more, and an interrupt whose edge was lost.
    let mut wanted = vec![true; devices.len()];
    if !orders.go_on() {
        return Ok(());
    }
    devices.iter().for_each(Device::repeat_interrupt);
    loop {
        let mut more = false;
        for (device, wanted) in devices.iter().zip(&mut wanted) {
            if *wanted {
                *wanted = device.serve(memory) == Progress::More;
                more |= *wanted;
            }
        }
        let happened = match waiting.wait(timeout(devices, more), &mut events) {
            Ok(happened) => happened,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        for event in events.iter().take(happened) {
            let index = usize::try_from(event.data()).unwrap_or(usize::MAX);
            if let (Some(device), Some(wanted)) = (devices.get(index), wanted.get_mut(index)) {
                // A kick is taken before queues are looked at, so that none is lost.
                let _ = device.kick().read();
                *wanted = true;
            }
        }
        let now = Instant::now();
        for (device, wanted) in devices.iter().zip(&mut wanted) {
            *wanted |= device.deadline().is_some_and(|deadline| deadline <= now);
        }
        if !orders.go_on() {
            return Ok(());
        }
    }
}

fn listen(devices: &[Device], orders: &Orders) -> Result<Epoll, std::io::Error> {
    let waiting = Epoll::new()?;
    let add = |descriptor: &dyn AsRawFd, when, data| {
        waiting.ctl(ControlOperation::Add, descriptor.as_raw_fd(), EpollEvent::new(when, data))
    };
    add(orders.bell(), EventSet::IN, BELL)?;
    for (index, device) in (0..).zip(devices) {
        add(device.kick(), EventSet::IN, index)?;
        // Once for each change: a device that is not live does not look, and may never.
        let when = EventSet::IN | EventSet::EDGE_TRIGGERED;
        device.with_model(|model| model.source().map_or(Ok(()), |source| add(&source, when, index)))?;
    }
    Ok(waiting)
}

/// Milliseconds that there is nothing to do for if nothing happens. -1: for ever.
fn timeout(devices: &[Device], more: bool) -> i32 {
    if more {
        return 0;
    }
    let Some(next) = devices.iter().filter_map(Device::deadline).min() else { return -1 };
    let time = next.saturating_duration_since(Instant::now());
    // Not early, which would be a turn for nothing.
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX - 1) + 1
}
