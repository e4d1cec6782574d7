//! The I/O ports of a PC that a kernel without firmware uses. Reads of any other see an empty bus, writes go nowhere.

use std::fmt;

use super::log::Log;
use super::serial::{self, SerialLine, SerialPort, SerialState};

/// The first serial port: eight registers.
const SERIAL: std::ops::RangeInclusive<u16> = 0x3f8..=0x3ff;
/// The keyboard controller's command and status.
const KEYBOARD: u16 = 0x64;
/// "Pulse the reset line", by which Linux reboots.
const RESET: u8 = 0xfe;
/// Refresh and timer bits: Linux waits on bit 5 where it measures the clock by the old timer.
const SYSTEM_CONTROL: u16 = 0x61;
const TIMER_DONE: u8 = 0x20;
/// What an empty bus reads as.
const NOTHING: u8 = 0xff;

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortWrite {
    /// The guest goes on.
    Done,
    /// The guest asked for a reset.
    Reset,
}

/// All ports.
pub(crate) struct Ports {
    serial: SerialPort,
}

impl Ports {
    /// As after a reset.
    pub(crate) fn new(line: SerialLine, log: Log) -> Self {
        Self { serial: serial::new_port(line, log) }
    }

    /// With these registers. None: no serial port has them.
    pub(crate) fn restored(state: SerialState, line: SerialLine, log: Log) -> Option<Self> {
        Some(Self { serial: serial::restored_port(state, line, log)? })
    }

    /// The registers.
    pub(crate) fn state(&self) -> SerialState {
        serial::state_of(&self.serial)
    }

    /// Reads each byte of an access. Wider accesses than a byte reach nothing but the first register, as on many boards.
    pub(crate) fn read(&mut self, port: u16, data: &mut [u8]) {
        data.fill(NOTHING);
        let Some(first) = data.first_mut() else { return };
        *first = match port {
            port if SERIAL.contains(&port) => self.serial.read(offset(port)),
            // Linux waits for the input buffer to be empty before it asks for a reset.
            KEYBOARD => 0,
            SYSTEM_CONTROL => TIMER_DONE,
            _ => NOTHING,
        };
    }

    /// Writes. A string of bytes to one port comes in one piece.
    pub(crate) fn write(&mut self, port: u16, data: &[u8]) -> PortWrite {
        if SERIAL.contains(&port) {
            for byte in data {
                // Neither the interrupt line nor the log fails.
                let _ = self.serial.write(offset(port), *byte);
            }
        }
        let reset = port == KEYBOARD && data.first() == Some(&RESET);
        if reset { PortWrite::Reset } else { PortWrite::Done }
    }

    /// Passes on what the log still holds.
    pub(crate) fn finish(&mut self) {
        self.serial.writer_mut().finish();
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("serial", &self.serial.state()).finish()
    }
}

fn offset(port: u16) -> u8 {
    u8::try_from(port - SERIAL.start()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use std::io::Read;

    use vmm_sys_util::eventfd::EventFd;

    use super::*;

    fn ports() -> (std::fs::File, EventFd, Ports) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let line = EventFd::new(libc::EFD_NONBLOCK).unwrap();
        let ports = Ports::new(SerialLine(line.try_clone().unwrap()), Log::new(write).unwrap());
        (read.into(), line, ports)
    }

    #[test]
    fn what_is_written_to_the_serial_port_is_in_the_log() {
        let (mut read, _line, mut ports) = ports();
        assert_eq!(ports.write(0x3f8, b"Linux version\n"), PortWrite::Done);
        drop(ports);
        let mut said = String::new();
        read.read_to_string(&mut said).unwrap();
        assert_eq!(said, "Linux version\n");
    }

    #[test]
    fn an_empty_transmitter_interrupts_once_that_is_asked_for() {
        let (_read, line, mut ports) = ports();
        ports.write(0x3f8, b"x");
        assert!(line.read().is_err());
        ports.write(0x3f9, &[2]);
        assert!(line.read().is_ok());
        let mut identification = [0];
        ports.read(0x3fa, &mut identification);
        assert_eq!(identification[0] & 0xf, 2);
    }

    #[test]
    fn only_the_reset_command_of_the_keyboard_controller_resets() {
        let (_read, _line, mut ports) = ports();
        assert_eq!(ports.write(0x64, &[0xd1]), PortWrite::Done);
        assert_eq!(ports.write(0x60, &[0xfe]), PortWrite::Done);
        assert_eq!(ports.write(0x64, &[]), PortWrite::Done);
        assert_eq!(ports.write(0x64, &[0xfe]), PortWrite::Reset);
    }

    #[test]
    fn an_unknown_port_reads_as_ones_in_any_width() {
        let (_read, _line, mut ports) = ports();
        for width in [0, 1, 2, 4, 8] {
            let mut data = vec![0; width];
            ports.read(0xcf8, &mut data);
            assert!(data.iter().all(|byte| *byte == 0xff));
        }
    }

    #[test]
    fn a_port_with_saved_registers_goes_on() {
        let (_read, _line, mut ports) = ports();
        ports.write(0x3f9, &[2]);
        ports.write(0x3ff, &[0x5a]);
        let state = ports.state();
        let (_pipe, write) = rustix::pipe::pipe().unwrap();
        let line = SerialLine(EventFd::new(libc::EFD_NONBLOCK).unwrap());
        let again = Ports::restored(state, line, Log::new(write).unwrap()).unwrap();
        assert_eq!(again.state(), state);
    }
}
