//! Packets between host and guest: section 5.10.6 of virtio 1.2.

/// Bytes of a header.
pub(crate) const HEADER: usize = 44;

/// `VIRTIO_VSOCK_TYPE_STREAM`, the one type that is spoken here.
pub(crate) const STREAM: u16 = 1;

/// What a packet is for: `VIRTIO_VSOCK_OP_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Operation {
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

impl Operation {
    fn decode(number: u16) -> Option<Self> {
        const ALL: [Operation; 7] = [
            Operation::Request,
            Operation::Response,
            Operation::Reset,
            Operation::Shutdown,
            Operation::Data,
            Operation::CreditUpdate,
            Operation::CreditRequest,
        ];
        ALL.into_iter().find(|operation| *operation as u16 == number)
    }
}

/// Flags of a shutdown: `VIRTIO_VSOCK_SHUTDOWN_F_*`.
pub(crate) mod shutdown {
    /// The sender of the packet will receive nothing more.
    pub(crate) const RECEIVE: u32 = 1;
    /// The sender of the packet will send nothing more.
    pub(crate) const SEND: u32 = 2;
    pub(crate) const BOTH: u32 = RECEIVE | SEND;
}

/// Header of a packet, as it is: nothing in it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source: u64,
    pub(crate) destination: u64,
    pub(crate) source_port: u32,
    pub(crate) destination_port: u32,
    /// Bytes behind the header.
    pub(crate) length: u32,
    /// Kind of socket.
    pub(crate) kind: u16,
    /// Any number; the method says which it is.
    pub(crate) operation: u16,
    pub(crate) flags: u32,
    /// Bytes that the sender has room for in all.
    pub(crate) allocation: u32,
    /// Bytes that the sender has passed on since the beginning, modulo 2^32.
    pub(crate) forwarded: u32,
}

impl Header {
    pub(crate) fn operation(&self) -> Option<Operation> {
        Operation::decode(self.operation)
    }

    pub(crate) fn with(mut self, operation: Operation) -> Self {
        self.operation = operation as u16;
        self
    }

    pub(crate) fn decode(bytes: &[u8; HEADER]) -> Self {
        let mut rest = bytes.as_slice();
        Self {
            source: u64::from_le_bytes(take(&mut rest)),
            destination: u64::from_le_bytes(take(&mut rest)),
            source_port: u32::from_le_bytes(take(&mut rest)),
            destination_port: u32::from_le_bytes(take(&mut rest)),
            length: u32::from_le_bytes(take(&mut rest)),
            kind: u16::from_le_bytes(take(&mut rest)),
            operation: u16::from_le_bytes(take(&mut rest)),
            flags: u32::from_le_bytes(take(&mut rest)),
            allocation: u32::from_le_bytes(take(&mut rest)),
            forwarded: u32::from_le_bytes(take(&mut rest)),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(self.source.to_le_bytes());
        bytes.extend(self.destination.to_le_bytes());
        bytes.extend(self.source_port.to_le_bytes());
        bytes.extend(self.destination_port.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.operation.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.allocation.to_le_bytes());
        bytes.extend(self.forwarded.to_le_bytes());
        bytes
    }
}

/// Takes the next bytes. The header is as long as its fields are together, so there always are some.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    rest.split_off(..N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;

    #[test]
    fn a_header_comes_out_as_it_went_in() {
        let bytes: [u8; HEADER] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let header = Header::decode(&bytes);
        assert_eq!(header.encode(), bytes);
        assert_eq!(header.source_port, u32::from_le_bytes([16, 17, 18, 19]));
        assert_eq!(header.forwarded, u32::from_le_bytes([40, 41, 42, 43]));
    }

    #[test]
    fn an_operation_that_does_not_exist_is_none() {
        for (number, exists) in [(0, false), (1, true), (5, true), (7, true), (8, false), (u16::MAX, false)] {
            assert_eq!(Operation::decode(number).is_some(), exists, "{number}");
        }
    }
}
