//! `mimobox-host snapshot`: what sandboxes left, to go on from.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use mimobox_sandbox::{Error, Output, SnapshotId, SnapshotStore, Stored};
use mimobox_snapshots::FolderStore;
use mimobox_state::Place;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::cli::{
    ExportArguments, GlobalArguments, ImportSnapshotArguments, SnapshotArguments, SnapshotCommand,
};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::quantity::Size;
use crate::streams::CHUNK;

/// As a file: our standard input or output.
const STANDARD_STREAM: &str = "-";

/// Does what the word after `snapshot` says.
pub(super) async fn snapshot(global: &GlobalArguments, command: SnapshotCommand) -> Outcome {
    match command {
        SnapshotCommand::List => list(global).await,
        SnapshotCommand::Show(arguments) => show(global, &arguments).await,
        SnapshotCommand::Export(arguments) => export(global, &arguments).await,
        SnapshotCommand::Import(arguments) => import(global, &arguments).await,
        SnapshotCommand::Delete(arguments) => delete(global, &arguments).await,
    }
}

/// There is no snapshot of this id, as `exec --restore` too has to say.
pub(super) fn missing(id: &SnapshotId) -> Failure {
    let why = anyhow!("there is no snapshot `{id}`: `mimobox-host snapshot list` shows those that there are");
    Failure::coded("not-found", why)
}

async fn list(global: &GlobalArguments) -> Outcome {
    let mut all = store()?.list().await.map_err(|error| failed(error, "failed to list the snapshots"))?;
    all.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.record().created));
    let known: Vec<_> = all.iter().map(|snapshot| Known::new(snapshot.as_ref())).collect();
    if global.json {
        output::show_json(&List { snapshots: known })?;
    } else {
        let head = ["ID", "SIZE", "IMAGE", "CREATED", "PARENT"].map(str::to_owned);
        output::show(Table(std::iter::once(head).chain(known.iter().map(Known::row)).collect()));
    }
    Ok(Exit::Success)
}

async fn show(global: &GlobalArguments, SnapshotArguments { id }: &SnapshotArguments) -> Outcome {
    let snapshot = find(id).await?;
    let known = Known::new(snapshot.as_ref());
    if global.json {
        output::show_json(&known)?;
    } else {
        output::show(known.details());
    }
    Ok(Exit::Success)
}

async fn export(global: &GlobalArguments, ExportArguments { id, file }: &ExportArguments) -> Outcome {
    let what = || format!("failed to export {id}");
    let mut from = find(id).await?.export().await.map_err(|error| failed(error, &what()))?;
    if file == Path::new(STANDARD_STREAM) {
        copy(&mut from, &mut io::stdout().lock()).await.with_context(what)?;
        return Ok(Exit::Success);
    }
    let mut to = File::create_new(file).with_context(|| format!("failed to make {}", file.display()))?;
    if let Err(error) = copy(&mut from, &mut to).await {
        // Half of it is of no use. Where it cannot be removed, its import will refuse it.
        let _ = std::fs::remove_file(file);
        return Err(Failure::new(anyhow::Error::new(error).context(what())));
    }
    if global.json {
        output::show_json(&Exported { exported: id.as_str(), file: &file.to_string_lossy() })?;
    }
    Ok(Exit::Success)
}

async fn import(
    global: &GlobalArguments,
    ImportSnapshotArguments { file }: &ImportSnapshotArguments,
) -> Outcome {
    let from: Output = if file == Path::new(STANDARD_STREAM) {
        Box::pin(tokio::io::stdin())
    } else {
        let opened = File::open(file).with_context(|| format!("failed to open {}", file.display()))?;
        Box::pin(FileOutput(opened))
    };
    let imported = store()?.import(from).await;
    let imported =
        imported.map_err(|error| failed(error, &format!("failed to import {}", file.display())))?;
    if global.json {
        output::show_json(&Known::new(imported.as_ref()))?;
    } else {
        output::show(format_args!("{}\n", imported.id()));
    }
    Ok(Exit::Success)
}

async fn delete(global: &GlobalArguments, SnapshotArguments { id }: &SnapshotArguments) -> Outcome {
    // By its id: one that is damaged, and so cannot be opened, can be deleted too.
    store()?.delete(id).await.map_err(|error| match error {
        Error::NotFound => missing(id),
        error => failed(error, &format!("failed to delete {id}")),
    })?;
    if global.json {
        output::show_json(&Deleted { deleted: id.as_str() })?;
    }
    Ok(Exit::Success)
}

fn store() -> Outcome<FolderStore> {
    Ok(mimobox_state::open_store(Place::StateFolder)?)
}

async fn find(id: &SnapshotId) -> Outcome<Arc<dyn Stored>> {
    store()?.open(id).await.map_err(|error| match error {
        Error::NotFound => missing(id),
        error => failed(error, &format!("failed to open {id}")),
    })
}

fn failed(error: Error, what: &str) -> Failure {
    Failure::of_sandbox(error, what)
}

/// To a file or a stream of ours, which may well be written to where it is: nothing else waits here.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.flush();
        }
        to.write_all(chunk.get(..read).unwrap_or_default())?;
    }
}

/// A file of the operator's, read where it is asked for: nothing else waits here.
struct FileOutput(File);

impl AsyncRead for FileOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.0.read(into.initialize_unfilled())?;
        into.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// What `list --json` prints.
#[derive(Serialize)]
struct List<'a> {
    snapshots: Vec<Known<'a>>,
}

/// What `export --json` prints.
#[derive(Serialize)]
struct Exported<'a> {
    exported: &'a str,
    file: &'a str,
}

/// What `delete --json` prints.
#[derive(Serialize)]
struct Deleted<'a> {
    deleted: &'a str,
}

/// What is known of one.
#[derive(Serialize)]
struct Known<'a> {
    id: &'a str,
    /// Bytes.
    size: u64,
    isolation: String,
    image: &'a str,
    memory: bool,
    parent: Option<&'a str>,
    /// Seconds since the Unix epoch.
    created: u64,
}

impl<'a> Known<'a> {
    fn new(snapshot: &'a dyn Stored) -> Self {
        let record = snapshot.record();
        Self {
            id: snapshot.id().as_str(),
            size: snapshot.size(),
            isolation: record.isolation.to_string(),
            image: &record.image,
            memory: record.memory,
            parent: record.parent.as_ref().map(SnapshotId::as_str),
            created: record.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        }
    }

    fn row(&self) -> [String; 5] {
        [
            self.id.to_owned(),
            Size(self.size).to_string(),
            self.image.to_owned(),
            self.created(),
            self.parent.unwrap_or("-").to_owned(),
        ]
    }

    fn details(&self) -> Table<2> {
        let holds = if self.memory { "memory and files" } else { "files" };
        let rows = [
            ("id", self.id.to_owned()),
            ("size", Size(self.size).to_string()),
            ("holds", holds.to_owned()),
            ("isolation", self.isolation.clone()),
            ("image", self.image.to_owned()),
            ("created", self.created()),
            ("parent", self.parent.unwrap_or("-").to_owned()),
        ];
        Table(rows.map(|(label, text)| [label.to_owned(), text]).into())
    }

    fn created(&self) -> String {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(self.created);
        humantime::format_rfc3339_seconds(time).to_string()
    }
}
