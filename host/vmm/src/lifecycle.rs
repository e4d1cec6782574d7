//! The life of a microVM's process, as the host sees it over the control socket.
//!
//! ```text
//!            Configure          Run            Pause
//!   started ──────────► ready ──────► running ◄─────► paused ── Save
//!      │                  │              │    Resume     │
//!      └── not jailed,    └──── Stop ────┴───────────────┤
//!          not loaded:                                   ▼
//!          Failed, exit                            Ended, exit
//! ```

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use mimobox_vmm_protocol::{Config, End, Event, Failure, Request};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use crate::channel::{Channel, ChannelError, Packet};
use crate::device_thread::DeviceThread;
use crate::jail::{self, Filter};
use crate::machine::{Machine, Supplies, Threads};
use crate::probe::probe;
use crate::processor::{Kick, Order, Processor};
use crate::reports::{self, Report, Reporter, Reports};
use crate::usage::Meter;

/// The process could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The control socket failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Waiting failed.
    #[error("failed to wait for requests")]
    Wait(#[source] Errno),
    /// The process could not be set up.
    #[error("failed to set up the process")]
    SetUp(#[source] std::io::Error),
    /// The host was told why.
    #[error("failed to become a microVM")]
    Refused(#[source] Failure),
}

/// What the machine does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Paused,
}

/// Why serving is over.
enum Over {
    /// The guest has ended, or the host wants it to.
    Ended(End),
    /// The host has gone.
    Alone,
}

/// Serves one microVM over this socket, until it has ended or the host has gone.
///
/// # Errors
/// Each variant of [`ServeError`].
pub fn serve(socket: OwnedFd) -> Result<(), ServeError> {
    let channel = Channel::new(socket);
    let Some(packet) = channel.receive()? else { return Ok(()) };
    if packet.request == Request::Probe {
        let event = match <[OwnedFd; 1]>::try_from(packet.descriptors) {
            Ok([kvm]) => Event::Probed(probe(kvm)),
            Err(_) => Event::Failed(Failure::OutOfOrder),
        };
        return Ok(channel.send(&event, None)?);
    }
    let mut life = match begin(&channel, packet) {
        Ok(life) => life,
        Err(failure) => {
            channel.send(&Event::Failed(failure.clone()), None)?;
            return Err(ServeError::Refused(failure));
        }
    };
    channel.send(&Event::Configured, None)?;
    let over = life.serve(&channel)?;
    // What the guest said last is passed on.
    life.machine.board.devices.stop();
    life.machine.board.ports.lock().finish();
    if let Over::Ended(end) = over {
        channel.send(&Event::Ended(end), None)?;
    }
    Ok(())
}

/// From the first request to a machine that is ready.
fn begin(channel: &Channel, packet: Packet) -> Result<Life, Failure> {
    let Packet { request: Request::Configure(config), descriptors } = packet else {
        return Err(Failure::OutOfOrder);
    };
    config.check().map_err(Failure::Config)?;
    let supplies = supplies(&config, descriptors)?;
    // The one file that this process opens: it tells how much memory is used, and nothing else.
    let meter = Meter::open().map_err(|error| Failure::Memory { cause: error.to_string() })?;
    let mut lines = jail::enter(&config)?;
    let (reporter, reports) = reports::line().map_err(|_| Failure::Thread)?;
    let threads = start_threads(&config, &reporter)?;
    lines.extend(jail::install_filters(&config, &reports)?);
    channel.send(&Event::Jailed(lines), None).map_err(|_| Failure::Thread)?;
    let machine = Machine::new(config, supplies, threads, &reports)?;
    Ok(Life { machine, reports, meter, state: State::Ready })
}

fn start_threads(config: &Config, reporter: &Reporter) -> Result<Threads, Failure> {
    Kick::prepare().map_err(|_| Failure::Thread)?;
    let processor = |number| Processor::start(number, Filter::Vcpu, reporter.for_thread());
    Ok(Threads {
        processors: (0..config.vcpus).map(processor).collect::<Result<_, _>>()?,
        devices: DeviceThread::start(Filter::Device, reporter.for_thread())?,
    })
}

fn supplies(config: &Config, descriptors: Vec<OwnedFd>) -> Result<Supplies, Failure> {
    let expected = config.descriptors().len();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mismatch = Failure::Descriptors { expected: count(expected), received: count(descriptors.len()) };
    if descriptors.len() != expected {
        return Err(mismatch);
    }
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next();
    let (Some(kvm), Some(memory), Some(start), Some(agent), Some(log)) =
        (next(), next(), next(), next(), next())
    else {
        return Err(mismatch);
    };
    Ok(Supplies { kvm, memory, start, agent, log, disks: descriptors.collect() })
}

/// A machine and what it takes to lead it.
struct Life {
    machine: Machine,
    reports: Reports,
    meter: Meter,
    state: State,
}

impl Life {
    fn serve(&mut self, channel: &Channel) -> Result<Over, ServeError> {
        loop {
            let mut waiting = [
                PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.reports.wake(), PollFlags::IN),
            ];
            match poll(&mut waiting, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(ServeError::Wait(error)),
            }
            let [requests, reports] = waiting.map(|waiting| !waiting.revents().is_empty());
            if reports && let Some(end) = self.ended() {
                return Ok(Over::Ended(end));
            }
            if requests {
                let Some(packet) = channel.receive()? else { return Ok(Over::Alone) };
                if let Some(end) = self.answer(channel, &packet.request)? {
                    return Ok(Over::Ended(end));
                }
            }
        }
    }

    /// Answers a request. The guest's end may come in the place of the answer.
    fn answer(&mut self, channel: &Channel, request: &Request) -> Result<Option<End>, ServeError> {
        let (event, descriptor) = match (request, self.state) {
            (Request::Stop, _) => return Ok(Some(End::Killed)),
            (Request::Usage, _) => (Event::Usage(self.meter.usage(&self.machine.processors)), None),
            (Request::Run, State::Ready) => (or_failed(self.run(), Event::Running), None),
            (Request::Resume, State::Paused) => (or_failed(self.run(), Event::Resumed), None),
            (Request::Pause, State::Running) => match self.pause() {
                Ok(Some(end)) => return Ok(Some(end)),
                answer => (or_failed(answer.map(|_| ()), Event::Paused), None),
            },
            (Request::Save, State::Paused) => match self.save() {
                Ok((file, bytes)) => (Event::Saved { bytes }, Some(file)),
                Err(failure) => (Event::Failed(failure), None),
            },
            _ => (Event::Failed(Failure::OutOfOrder), None),
        };
        channel.send(&event, descriptor.as_ref().map(AsFd::as_fd))?;
        Ok(None)
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.machine.board.devices.resume();
        for processor in &self.machine.processors {
            processor.order(Order::Run)?;
        }
        self.state = State::Running;
        Ok(())
    }

    /// Stops all processors. The guest may end before the last of them stands.
    fn pause(&mut self) -> Result<Option<End>, Failure> {
        for processor in &self.machine.processors {
            processor.kick()?;
        }
        for _ in &self.machine.processors {
            match self.reports.wait()? {
                Report::Stopped => {}
                Report::Ended(end) => return Ok(Some(end)),
                _ => return Err(Failure::Thread),
            }
        }
        self.machine.board.devices.pause();
        self.state = State::Paused;
        Ok(None)
    }

    fn save(&self) -> Result<(OwnedFd, u64), Failure> {
        let bytes = self.machine.save(&self.reports)?;
        let failed = |cause: std::io::Error| Failure::Memory { cause: cause.to_string() };
        let file = memfd_create("state", MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let mut file = File::from(file);
        file.write_all(&bytes).map_err(failed)?;
        Ok((file.into(), bytes.len() as u64))
    }

    /// The guest's end, if a thread has told it.
    fn ended(&self) -> Option<End> {
        while let Some(report) = self.reports.next() {
            if let Report::Ended(end) = report {
                return Some(end);
            }
        }
        None
    }
}

fn or_failed(answer: Result<(), Failure>, event: Event) -> Event {
    match answer {
        Ok(()) => event,
        Err(failure) => Event::Failed(failure),
    }
}
