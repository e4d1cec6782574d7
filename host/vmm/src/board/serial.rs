//! The serial port: a 16550A that can only be written to, for what a kernel says while it starts.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vmm_sys_util::eventfd::EventFd;

use super::log::Log;

/// Its interrupt line.
#[derive(Debug)]
pub(crate) struct SerialLine(pub(crate) EventFd);

impl Trigger for SerialLine {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        // A counter that is full has an interrupt waiting already.
        let _ = self.0.write(1);
        Ok(())
    }
}

/// The port.
pub(crate) type SerialPort = Serial<SerialLine, NoEvents, Log>;

/// Its registers, as a saved machine keeps them. What the guest has not read of its input there never was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SerialState {
    divisor: [u8; 2],
    interrupt_enable: u8,
    interrupt_identification: u8,
    line_control: u8,
    line_status: u8,
    modem_control: u8,
    modem_status: u8,
    scratch: u8,
}

/// A port as after a reset.
pub(crate) fn new_port(line: SerialLine, log: Log) -> SerialPort {
    Serial::with_events(line, NoEvents, log)
}

/// A port with these registers.
pub(crate) fn restored_port(state: SerialState, line: SerialLine, log: Log) -> Option<SerialPort> {
    let registers = vm_superio::SerialState {
        baud_divisor_low: state.divisor[0],
        baud_divisor_high: state.divisor[1],
        interrupt_enable: state.interrupt_enable,
        interrupt_identification: state.interrupt_identification,
        line_control: state.line_control,
        line_status: state.line_status,
        modem_control: state.modem_control,
        modem_status: state.modem_status,
        scratch: state.scratch,
        in_buffer: Vec::new(),
    };
    Serial::from_state(&registers, line, NoEvents, log).ok()
}

/// The registers of a port.
pub(crate) fn state_of(port: &SerialPort) -> SerialState {
    let registers = port.state();
    SerialState {
        divisor: [registers.baud_divisor_low, registers.baud_divisor_high],
        interrupt_enable: registers.interrupt_enable,
        interrupt_identification: registers.interrupt_identification,
        line_control: registers.line_control,
        line_status: registers.line_status,
        modem_control: registers.modem_control,
        modem_status: registers.modem_status,
        scratch: registers.scratch,
    }
}
