//! Bytes that look random and are the same each time: George Marsaglia's xorshift, 64 bits (Journal of Statistical
//! Software 8, 2003).

/// A source of such bytes; two of them give the same.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// The next `length` bytes, which are a whole number of 64-bit words.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
