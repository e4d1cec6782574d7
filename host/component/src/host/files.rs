//! `mimobox:host/files`: not there yet. Every operation says so.

use mimobox_sandbox::Sandbox;
use wasmtime::component::{Access, Resource, StreamReader};

use crate::answer::{Later, unsupported};
use crate::bindings::host::mimobox::host::files::{
    Change, Entry, Host as Interface, HostWithStore, WriteOptions,
};
use crate::ctx::{Ctx, Host};
use crate::host::stream::Ending;

impl Interface for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn read(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _path: String,
        _offset: u64,
        _length: Option<u64>,
    ) -> Ending<u8> {
        let end = unsupported(&mut host, "files.read")?;
        Ok((StreamReader::new(&mut host, std::iter::empty())?, end))
    }

    fn write(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _path: String,
        _options: WriteOptions,
        mut data: StreamReader<u8>,
    ) -> Later<()> {
        data.close(&mut host)?;
        unsupported(&mut host, "files.write")
    }

    fn stat(mut host: Access<'_, Ctx, Self>, _sandbox: Resource<Sandbox>, _path: String) -> Later<Entry> {
        unsupported(&mut host, "files.stat")
    }

    fn read_directory(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _path: String,
    ) -> Later<Vec<Entry>> {
        unsupported(&mut host, "files.read-directory")
    }

    fn make_directory(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _path: String,
        _parents: bool,
    ) -> Later<()> {
        unsupported(&mut host, "files.make-directory")
    }

    fn rename(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _source: String,
        _target: String,
    ) -> Later<()> {
        unsupported(&mut host, "files.rename")
    }

    fn remove(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _path: String,
        _recursive: bool,
    ) -> Later<()> {
        unsupported(&mut host, "files.remove")
    }

    fn watch(
        mut host: Access<'_, Ctx, Self>,
        _sandbox: Resource<Sandbox>,
        _path: String,
        _recursive: bool,
    ) -> Ending<Change> {
        let end = unsupported(&mut host, "files.watch")?;
        Ok((StreamReader::new(&mut host, std::iter::empty())?, end))
    }
}
