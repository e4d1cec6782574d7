//! Bytes as a script: what a fuzzer makes becomes numbers, as long as there are any.

/// The rest of it.
pub(crate) struct Script<'b>(pub(crate) &'b [u8]);

impl Script<'_> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    /// A number of this many bytes or, two times in three, of one: small numbers are where things are.
    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let short = !self.byte()?.is_multiple_of(3);
        let mut bytes = [0; N];
        let length = if short { 1 } else { N };
        bytes[..length].copy_from_slice(self.0.split_off(..length)?);
        Some(bytes)
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        self.number().map(u16::from_le_bytes)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        self.number().map(u32::from_le_bytes)
    }

    pub(crate) fn long(&mut self) -> Option<u64> {
        self.number().map(u64::from_le_bytes)
    }
}
