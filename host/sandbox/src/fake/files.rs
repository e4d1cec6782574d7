//! Operations on the fake file system.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;

use super::instance::FakeInstance;
use super::task::{End, first};
use super::{PIPE, Shared};
use crate::backend::{Input, Output};
use crate::error::{Error, Result};
use crate::files::{
    Changes, FileEntry, FileTask, Files, MakeDirectory, ReadFile, Remove, Rename, Watch, Work, WriteFile,
};
use crate::grant::Authorized;

#[async_trait]
impl Files for FakeInstance {
    async fn read_file(&self, grant: Authorized<ReadFile>) -> Result<FileTask<Output>> {
        let files = self.files()?;
        let (host, pipe) = duplex(PIPE);
        Ok(FileTask { stream: Box::pin(host), work: self.begin(read(files, grant.into_inner(), pipe)) })
    }

    async fn write_file(&self, grant: Authorized<WriteFile>) -> Result<FileTask<Input>> {
        let files = self.files()?;
        let (host, pipe) = duplex(PIPE);
        Ok(FileTask { stream: Box::pin(host), work: self.begin(write(files, grant.into_inner(), pipe)) })
    }

    async fn file_entry(&self, path: Authorized<String>) -> Result<FileEntry> {
        self.files()?.lock().entry(&path)
    }

    async fn read_directory(&self, path: Authorized<String>) -> Result<Vec<FileEntry>> {
        self.files()?.lock().list(&path)
    }

    async fn make_directory(&self, grant: Authorized<MakeDirectory>) -> Result<()> {
        self.files()?.lock().make_directory(&grant)
    }

    async fn rename(&self, grant: Authorized<Rename>) -> Result<()> {
        self.files()?.lock().rename(&grant)
    }

    async fn remove(&self, grant: Authorized<Remove>) -> Result<()> {
        self.files()?.lock().remove(&grant)
    }

    async fn watch(&self, grant: Authorized<Watch>) -> Result<FileTask<Changes>> {
        let files = self.files()?;
        let Watch { path, recursive } = grant.into_inner();
        let mut changes = {
            let mut tree = files.lock();
            let path = tree.find(&path)?;
            tree.watches.add(path, recursive)
        };
        let (host, relay) = tokio::sync::mpsc::channel(1);
        let work = self.begin(async move {
            while let Some(change) = changes.recv().await {
                if host.send(Ok(change)).await.is_err() {
                    break;
                }
            }
            // What is still there was watched until its changes were too many.
            let end = match files.lock().find(&path) {
                Ok(_) => Err(Error::LimitReached("changes that wait to be read".into())),
                Err(_) => Ok(()),
            };
            if let Err(error) = &end {
                let _ = host.send(Err(error.clone())).await;
            }
            end
        });
        let stream = stream::unfold(relay, async |mut relay| Some((relay.recv().await?, relay)));
        Ok(FileTask { stream: Box::pin(stream), work })
    }
}

impl FakeInstance {
    fn begin(&self, operation: impl Future<Output = Result<()>> + Send + 'static) -> Arc<dyn Work> {
        let stop = watch::Sender::new(None);
        let mut stopped = stop.subscribe();
        let told = async move {
            first(&mut stopped).await;
            Err(Error::Gone)
        };
        let end = End::of(self.mode(), operation, told, ());
        Arc::new(FakeWork { stop, end })
    }
}

struct FakeWork {
    stop: watch::Sender<Option<()>>,
    end: End<Result<()>>,
}

#[async_trait]
impl Work for FakeWork {
    async fn ended(&self) -> Result<()> {
        self.end.ended().await?
    }

    async fn stop(&self) -> Result<()> {
        self.stop.send_replace(Some(()));
        Ok(())
    }
}

async fn read(files: Shared, request: ReadFile, mut pipe: DuplexStream) -> Result<()> {
    let bytes = files.lock().bytes(&request.path)?;
    let most = usize::try_from(request.length.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let rest =
        usize::try_from(request.offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
    // Nobody reads on: then nothing of it is missed.
    let _ = pipe.write_all(rest.get(..most).unwrap_or(rest)).await;
    Ok(())
}

async fn write(files: Shared, request: WriteFile, mut pipe: DuplexStream) -> Result<()> {
    let WriteFile { path, mode, length, append } = request;
    files.lock().check_writable(&path)?;
    let wrong_length = || Error::invalid("length", "not as many bytes came");
    if append {
        files.lock().append(&path, mode, &[])?;
    }
    let (mut whole, mut came) = (Vec::new(), 0_u64);
    let mut chunk = vec![0; PIPE];
    loop {
        let count = pipe.read(&mut chunk).await.map_err(|error| Error::failed(&error))?;
        if count == 0 {
            break;
        }
        came += count as u64;
        if length.is_some_and(|length| came > length) {
            return Err(wrong_length());
        }
        let more = chunk.get(..count).unwrap_or_default();
        if append {
            files.lock().append(&path, mode, more)?;
        } else {
            files.lock().check_room(whole.len() + more.len())?;
            whole.extend_from_slice(more);
        }
    }
    if length.is_some_and(|length| came < length) {
        return Err(wrong_length());
    }
    if append { Ok(()) } else { files.lock().put(&path, mode, whole) }
}
