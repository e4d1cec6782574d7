//! Taking in a snapshot that came as a stream, from anywhere.
//!
//! ```text
//!   header ─► record ─► state ─► end
//!     │          │        └ copied into a draft, hashed on the way
//!     │          └ digest, sense; cut down to what it may ask for
//!     └ magic, version, checksum, sections, architecture, sizes against the limits
//! ```
//!
//! Whatever fails drops the draft, and with it all that was written.

use std::io;
use std::sync::Arc;

use mimobox_sandbox::{Error, Output, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::draft::FolderDraft;
use crate::error::{FormatError, StoreError};
use crate::header::{HEADER_LENGTH, Header};
use crate::record;
use crate::store::Shared;
use crate::stored::FolderSnapshot;

pub(crate) async fn import(shared: Arc<Shared>, mut bytes: Output) -> Result<FolderSnapshot, StoreError> {
    let header = header(&mut bytes).await?;
    header.admit()?;
    let mut encoded = vec![0; record::admit(&header)?];
    bytes.read_exact(&mut encoded).await.map_err(|error| given(&error))?;
    let record = record::without_authority(record::decode(&header, &encoded)?);

    let length = header.state().length;
    let mut draft = FolderDraft::begin(shared, record, length).await?;
    let copied = tokio::io::copy(&mut (&mut bytes).take(length), &mut draft).await;
    if copied.map_err(|error| given(&error))? < length {
        return Err(FormatError::Truncated.into());
    }
    if bytes.read(&mut [0]).await.map_err(|error| given(&error))? > 0 {
        return Err(FormatError::Trailing.into());
    }
    draft.shutdown().await.map_err(|error| given(&error))?;
    draft.keep_as(Some(header.state().digest)).await
}

async fn header(bytes: &mut Output) -> Result<Header, StoreError> {
    let mut start = Vec::with_capacity(HEADER_LENGTH);
    let mut limited = bytes.take(HEADER_LENGTH as u64);
    limited.read_to_end(&mut start).await.map_err(|error| given(&error))?;
    Ok(Header::decode(&start)?)
}

/// The error of a stream: the giver's, or the draft's.
fn given(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FormatError::Truncated.into(),
        _ => Error::from_io(error).into(),
    }
}
