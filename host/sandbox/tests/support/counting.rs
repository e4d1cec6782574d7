//! The fake backend, counting what reaches it, and failing when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use mimobox_sandbox::fake::FakeBackend;
use mimobox_sandbox::{
    Authorized, Backend, Changes, CommandGrant, Created, Error, FileEntry, FileTask, Files, Input, Instance,
    Isolation, MakeDirectory, Opened, Output, ReadFile, Remove, Rename, Result, SandboxGrant, SandboxId,
    Spawned, TerminalSize, Usage, Watch, WriteFile,
};
use parking_lot::Mutex;

use super::Scripted;

/// The fake backend, counting what reaches it.
#[derive(Default)]
pub struct Counting {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    created: AtomicU32,
    spawned: AtomicU32,
    failing: AtomicBool,
    on_spawn: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    scripted: Mutex<Option<Scripted>>,
}

impl Counting {
    pub fn created(&self) -> u32 {
        self.counts.created.load(Ordering::Relaxed)
    }

    pub fn spawned(&self) -> u32 {
        self.counts.spawned.load(Ordering::Relaxed)
    }

    pub fn fail_spawns(&self) {
        self.counts.failing.store(true, Ordering::Relaxed);
    }

    /// The next reading or writing is this one.
    pub fn script(&self, scripted: &Scripted) {
        *self.counts.scripted.lock() = Some(scripted.clone());
    }

    /// Whether no reading or writing has begun since.
    pub fn is_script_unused(&self) -> bool {
        self.counts.scripted.lock().is_some()
    }

    pub fn on_spawn(&self, check: Arc<dyn Fn() + Send + Sync>) {
        *self.counts.on_spawn.lock() = Some(check);
    }
}

#[async_trait]
impl Backend for Counting {
    fn isolation(&self) -> Isolation {
        FakeBackend.isolation()
    }

    fn default_image(&self) -> &str {
        "host"
    }

    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        let created = FakeBackend.create(id, grant).await?;
        self.counts.created.fetch_add(1, Ordering::Relaxed);
        let instance = Arc::new(CountingInstance { inner: created.instance, counts: self.counts.clone() });
        Ok(Created { instance, ..created })
    }
}

struct CountingInstance {
    inner: Arc<dyn Instance>,
    counts: Arc<Counts>,
}

#[async_trait]
impl Instance for CountingInstance {
    fn files(&self) -> &dyn Files {
        self
    }

    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        if self.counts.failing.load(Ordering::Relaxed) {
            return Err(Error::failed(&std::io::Error::other("told to fail")));
        }
        self.counts.spawned.fetch_add(1, Ordering::Relaxed);
        if let Some(check) = self.counts.on_spawn.lock().clone() {
            check();
        }
        // As a real one it takes a while, in which its caller may go away.
        tokio::task::yield_now().await;
        self.inner.spawn(grant).await
    }

    async fn open_terminal(&self, grant: Authorized<CommandGrant>, size: TerminalSize) -> Result<Opened> {
        self.inner.open_terminal(grant, size).await
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn pause(&self) -> Result<()> {
        self.inner.pause().await
    }

    async fn resume(&self) -> Result<()> {
        self.inner.resume().await
    }

    async fn ended(&self) {
        self.inner.ended().await;
    }

    async fn destroy(&self) -> Result<()> {
        self.inner.destroy().await
    }
}

impl CountingInstance {
    fn scripted(&self) -> Option<Scripted> {
        self.counts.scripted.lock().take()
    }
}

#[async_trait]
impl Files for CountingInstance {
    async fn read_file(&self, grant: Authorized<ReadFile>) -> Result<FileTask<Output>> {
        if let Some(scripted) = self.scripted() {
            return Ok(scripted.task(|pipe| Box::pin(pipe) as _));
        }
        self.inner.files().read_file(grant).await
    }

    async fn write_file(&self, grant: Authorized<WriteFile>) -> Result<FileTask<Input>> {
        if let Some(scripted) = self.scripted() {
            return Ok(scripted.task(|pipe| Box::pin(pipe) as _));
        }
        self.inner.files().write_file(grant).await
    }

    async fn file_entry(&self, path: Authorized<String>) -> Result<FileEntry> {
        self.inner.files().file_entry(path).await
    }

    async fn read_directory(&self, path: Authorized<String>) -> Result<Vec<FileEntry>> {
        self.inner.files().read_directory(path).await
    }

    async fn make_directory(&self, grant: Authorized<MakeDirectory>) -> Result<()> {
        self.inner.files().make_directory(grant).await
    }

    async fn rename(&self, grant: Authorized<Rename>) -> Result<()> {
        self.inner.files().rename(grant).await
    }

    async fn remove(&self, grant: Authorized<Remove>) -> Result<()> {
        self.inner.files().remove(grant).await
    }

    async fn watch(&self, grant: Authorized<Watch>) -> Result<FileTask<Changes>> {
        self.inner.files().watch(grant).await
    }
}
