//! Makes archives, honest ones and others: every field of a header can be what no archiver would write.

use std::io::Write;

use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// A tar archive in the making.
pub(crate) struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(crate) fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, path, "", contents.as_ref(), |_| {})
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        self.member(EntryType::Directory, path, "", b"", |header| header.set_mode(0o755))
    }

    pub(crate) fn symbolic_link(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, path, target, b"", |_| {})
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Link, path, target, b"", |_| {})
    }

    pub(crate) fn of_kind(self, kind: u8, path: &str) -> Self {
        self.member(EntryType::new(kind), path, "", b"", |_| {})
    }

    /// An extended header about the next member.
    pub(crate) fn extended(self, records: &[(&str, &str)]) -> Self {
        let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value.as_bytes())).collect();
        self.member(EntryType::XHeader, "extended", "", &text, |_| {})
    }

    /// Writes the names as they are, whatever they are.
    pub(crate) fn member(
        mut self,
        kind: EntryType,
        path: impl AsRef<[u8]>,
        link: &str,
        contents: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        let old = header.as_old_mut();
        let path = path.as_ref();
        old.name[..path.len()].copy_from_slice(path);
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, contents).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A record of an extended header, whose length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    let mut bytes = format!("{length} {key}=").into_bytes();
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}
