//! Bytes that look random and are the same each time: George Marsaglia's xorshift, 64 bits (Journal of Statistical
//! Software 8, 2003).

use std::error::Error;

use mimobox_guest::ByteReader;

/// Bytes at once: a whole number of words.
pub(crate) const CHUNK: usize = 64 * 1024;

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

/// How many bytes came, if they are the right ones.
pub(crate) async fn compare(mut bytes: ByteReader) -> Result<usize, Box<dyn Error>> {
    let mut numbers = Numbers::new();
    let (mut expected, mut received) = (Vec::new(), 0);
    while let Some(came) = bytes.next().await? {
        while expected.len() < came.len() {
            expected.extend(numbers.bytes(CHUNK));
        }
        if expected.drain(..came.len()).ne(came.iter().copied()) {
            return Err(format!("the {} bytes from {received} on are wrong", came.len()).into());
        }
        received += came.len();
    }
    Ok(received)
}
