//! What is to be judged: the programs of the folder, and what is expected of them.

use mimobox_guest::{Command, Error, Result, Sandbox, run_all};

use crate::arguments::Arguments;
use crate::expectations::Expectations;
use crate::method::{HEAD, Method};
use crate::printable::printable;

/// The operator's name for the folder, and where a sandbox has it.
pub(crate) const VOLUME: &str = "submissions";
pub(crate) const FOLDER: &str = "/submissions";
const EXPECTATIONS: &str = "expected.toml";
/// The rule by which the operator's ceiling refuses a volume that was not declared.
const NO_VOLUME: &str = "ceiling-volume";

/// The folder's content.
pub(crate) struct Folder {
    /// In the order of their names.
    pub(crate) submissions: Vec<Submission>,
    /// None: the folder has no such file.
    pub(crate) expectations: Option<Expectations>,
}

/// One program.
pub(crate) struct Submission {
    /// The file's name.
    pub(crate) name: String,
    pub(crate) method: Method,
}

impl Submission {
    /// Its path in a sandbox.
    pub(crate) fn path(&self) -> String {
        path(&self.name)
    }
}

/// Reads the folder from within a sandbox: the host shows it to nobody else.
pub(crate) async fn read(arguments: &Arguments) -> Result<Folder, String> {
    let sandbox = Sandbox::builder().mount(VOLUME, FOLDER).create().await.map_err(|error| match error {
        Error::Denied { rule, .. } if rule == NO_VOLUME => {
            format!("the host has no volume {VOLUME}: give it one with --volume {VOLUME}=FOLDER")
        }
        other => format!("failed to make a sandbox: {other}"),
    })?;
    let names = list(&sandbox).await?;
    let expectations = match names.iter().any(|name| name == EXPECTATIONS) {
        true => Some(read_expectations(&sandbox).await?),
        false => None,
    };
    let submissions = run_all(arguments.jobs, names.into_iter().map(|name| recognise(&sandbox, name))).await;
    let mut submissions: Vec<Submission> = submissions
        .into_iter()
        .filter_map(Result::transpose)
        .collect::<Result<_>>()
        .map_err(|error| format!("failed to read the folder: {error}"))?;
    submissions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Folder { submissions, expectations })
}

/// Names of the files. Separated by NUL, the one byte that a name cannot hold; other names than UTF-8 are no programs' names.
async fn list(sandbox: &Sandbox) -> Result<Vec<String>, String> {
    let find = sandbox.command("find").arg(FOLDER).args(["-mindepth", "1", "-maxdepth", "1"]);
    let found = output(find.args(["-type", "f", "-print0"]), "list the folder").await?;
    let paths = found.split(|byte| *byte == 0).filter_map(|path| std::str::from_utf8(path).ok());
    Ok(paths.filter_map(|path| path.strip_prefix(FOLDER)?.strip_prefix('/').map(str::to_owned)).collect())
}

async fn read_expectations(sandbox: &Sandbox) -> Result<Expectations, String> {
    let text = output(sandbox.command("cat").arg(path(EXPECTATIONS)), "read the expectations").await?;
    Expectations::parse(&String::from_utf8_lossy(&text))
}

/// What the command writes, if it ends well.
async fn output(command: Command<'_>, purpose: &str) -> Result<Vec<u8>, String> {
    let output = command.output().await.map_err(|error| format!("failed to {purpose}: {error}"))?;
    if !output.status.success() {
        return Err(format!("failed to {purpose}: {}: {}", output.status, printable(&output.stderr_text())));
    }
    Ok(output.stdout)
}

/// The program of this name, if it is one.
async fn recognise(sandbox: &Sandbox, name: String) -> Result<Option<Submission>> {
    let method = match Method::of_name(&name) {
        Some(method) => Some(method),
        None => Method::of_head(&head(sandbox, &name).await?),
    };
    Ok(method.map(|method| Submission { name, method }))
}

/// The file's first bytes; whatever its size, no more of it is read than one chunk.
async fn head(sandbox: &Sandbox, name: &str) -> Result<Vec<u8>> {
    let process = sandbox.command("cat").arg(path(name)).spawn().await?;
    let mut head = process.stdout().next().await?.unwrap_or_default();
    head.truncate(HEAD);
    Ok(head)
}

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}
