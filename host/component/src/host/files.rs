//! `mimobox:host/files`: the files of a sandbox.

mod unfinished;

use futures_util::StreamExt;
use mimobox_sandbox::{
    Error, FileChange, FileEntry, MakeDirectory, ReadFile, Remove, Rename, Sandbox, Watch,
};
use tokio::sync::oneshot;
use wasmtime::component::{Access, Resource, StreamReader};

use crate::answer::{Later, answer, answer_or_cancel, begin};
use crate::bindings::host::mimobox::host::files::{
    Change, Entry, Host as Interface, HostWithStore, WriteOptions,
};
use crate::convert;
use crate::ctx::{Ctx, Host};
use crate::flow::{Ending, Inflow, Items, Outflow, ending};

use self::unfinished::{Unfinished, Wanted};

impl Interface for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn read(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        path: String,
        offset: u64,
        length: Option<u64>,
    ) -> Ending<u8> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let request = ReadFile { path, offset, length };
        let reading = begin(&mut host, async move { sandbox.read_file(request).await });
        let (producer, end) = Outflow::coming(async move { Ok(Box::pin(reading.await?) as _) });
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }

    fn write(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        path: String,
        options: WriteOptions,
        data: StreamReader<u8>,
    ) -> Later<()> {
        let ctx = host.get();
        let (sandbox, guest) = (ctx.table.get(&sandbox)?.clone(), ctx.presence.clone());
        let request = convert::write_file(path, options);
        let (feed, input) = oneshot::channel();
        data.pipe(&mut host, Inflow::starting(input))?;
        let (want, wanted) = Wanted::new();
        let write = async move {
            let (file, ended) = Unfinished::new(sandbox.write_file(request).await?, guest, wanted);
            // Nobody takes it where the guest has closed its stream already: then its end has come.
            let _ = feed.send(Box::pin(file) as _);
            ended.await.map_err(|_| Error::Gone)?.finish().await
        };
        answer(&mut host, write, move |_, ()| {
            drop(want);
            Ok(())
        })
    }

    fn stat(mut host: Access<'_, Ctx, Self>, sandbox: Resource<Sandbox>, path: String) -> Later<Entry> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        answer_or_cancel(
            &mut host,
            async move { sandbox.file_entry(path).await },
            |_, entry| Ok(entry.into()),
        )
    }

    fn read_directory(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        path: String,
    ) -> Later<Vec<Entry>> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let list = async move { sandbox.read_directory(path).await };
        let into_entries = |entries: Vec<FileEntry>| entries.into_iter().map(Into::into).collect();
        answer_or_cancel(&mut host, list, move |_, entries| Ok(into_entries(entries)))
    }

    fn make_directory(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        path: String,
        parents: bool,
    ) -> Later<()> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let request = MakeDirectory { path, parents };
        answer(&mut host, async move { sandbox.make_directory(request).await }, |_, ()| Ok(()))
    }

    fn rename(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        source: String,
        target: String,
    ) -> Later<()> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let request = Rename { source, target };
        answer(&mut host, async move { sandbox.rename(request).await }, |_, ()| Ok(()))
    }

    fn remove(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        path: String,
        recursive: bool,
    ) -> Later<()> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let request = Remove { path, recursive };
        answer(&mut host, async move { sandbox.remove(request).await }, |_, ()| Ok(()))
    }

    /// The guest stands still until the watch is in place, so that nothing which it does next is missed.
    async fn watch(
        mut host: Access<'_, Ctx, Self>,
        sandbox: Resource<Sandbox>,
        path: String,
        recursive: bool,
    ) -> Ending<Change> {
        let sandbox = host.get().table.get(&sandbox)?.clone();
        let request = Watch { path, recursive };
        let begun = begin(&mut host, async move { sandbox.watch(request).await }).await;
        let into_change = |change: mimobox_sandbox::Result<FileChange>| change.map(Into::into);
        let (producer, end) = match begun {
            Ok(changes) => Items::of(changes.map(into_change)),
            Err(error) => Items::failed(error),
        };
        Ok((StreamReader::new(&mut host, producer)?, ending(&mut host, end)?))
    }
}
