//! `mimobox-host image`: root file systems for sandboxes to run in.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::Ordering;

use anyhow::{Context, anyhow};
use mimobox_images::{ImportError, ImportOptions, Metadata, RemoveError};

use crate::cli::{GlobalArguments, ImageArguments, ImageCommand, ImportArguments};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::images;
use crate::interrupt::{Interrupted, Interrupts};
use crate::output;
use crate::progress;

mod report;

use report::{List, Removed};

/// As a source: our standard input.
const STANDARD_INPUT: &str = "-";

/// Does what the word after `image` says.
pub(super) async fn image(global: &GlobalArguments, config: &Config, command: ImageCommand) -> Outcome {
    match command {
        ImageCommand::Import(arguments) => import(global, config, arguments).await,
        ImageCommand::List => list(global),
        ImageCommand::Show(arguments) => show(global, &arguments),
        ImageCommand::Remove(arguments) => remove(global, &arguments),
    }
}

/// There is no image of this name, as `exec --image` too has to say.
pub(super) fn missing(name: &str) -> Failure {
    Failure::coded(
        "not-found",
        anyhow!(
            "there is no image `{}`: `mimobox-host image list` shows those that there are",
            name.escape_debug()
        ),
    )
}

async fn import(global: &GlobalArguments, config: &Config, arguments: ImportArguments) -> Outcome {
    let ImportArguments { name, source, replace, reference } = arguments;
    let mut interrupts = Interrupts::listen().context("failed to listen for signals")?;
    let options = ImportOptions { limits: config.images, replace, reference, ..ImportOptions::default() };
    let called_off = options.called_off.clone();
    let what = format!("importing {name}");
    let work = move || -> Outcome<Metadata> {
        let file = open(&source).with_context(|| format!("failed to open {}", source.display()))?;
        images::store()?.import(&name, file, &options).map_err(|error| refused(error, &source))
    };
    let mut importing = pin!(progress::shown(&what, work));
    match interrupts.during(&mut importing).await {
        Ok(imported) => {
            let metadata = imported??;
            if global.json {
                output::show_json(&metadata)?;
            } else {
                output::show(report::details(&metadata));
            }
            Ok(Exit::Success)
        }
        Err(Interrupted(signal)) => {
            called_off.store(true, Ordering::Relaxed);
            // It removes what it has made so far. A second signal is our end, and the next import does it.
            let _ = interrupts.during(importing).await;
            Ok(Exit::Interrupted(signal))
        }
    }
}

/// A failure whose code a program can go by.
fn refused(error: ImportError, source: &Path) -> Failure {
    let code = match &error {
        ImportError::Exists(_) => "already-exists",
        ImportError::InUse(_) => "in-use",
        ImportError::Limit(_) => "limit-reached",
        ImportError::OpenSource(_)
        | ImportError::UnusableSource
        | ImportError::HoldsStore
        | ImportError::Member { .. }
        | ImportError::Archive(_)
        | ImportError::Bundle(_) => "invalid-source",
        ImportError::Stage(_)
        | ImportError::MakeRoot(_)
        | ImportError::CalledOff
        | ImportError::Digest(_)
        | ImportError::Record(_)
        | ImportError::Sync(_)
        | ImportError::Publish(_) => "host-error",
    };
    Failure::coded(code, anyhow::Error::new(error).context(format!("failed to import {}", source.display())))
}

fn open(source: &Path) -> io::Result<File> {
    if source == Path::new(STANDARD_INPUT) {
        return io::stdin().as_fd().try_clone_to_owned().map(File::from);
    }
    File::open(source)
}

fn list(global: &GlobalArguments) -> Outcome {
    let images = images::store()?.list()?;
    let list = List::new(&images);
    if global.json {
        output::show_json(&list)?;
    } else {
        list.remarks().for_each(output::remark);
        output::show(list.table());
    }
    Ok(Exit::Success)
}

fn show(global: &GlobalArguments, arguments: &ImageArguments) -> Outcome {
    let ImageArguments { name } = arguments;
    let metadata = images::store()?.metadata(name)?.ok_or_else(|| missing(name.as_str()))?;
    if global.json {
        output::show_json(&metadata)?;
    } else {
        output::show(report::details(&metadata));
    }
    Ok(Exit::Success)
}

fn remove(global: &GlobalArguments, arguments: &ImageArguments) -> Outcome {
    let ImageArguments { name } = arguments;
    images::store()?.remove(name).map_err(|error| match error {
        RemoveError::Missing(_) => missing(name.as_str()),
        RemoveError::InUse(_) => Failure::coded("in-use", error),
        error => Failure::new(error),
    })?;
    if global.json {
        output::show_json(&Removed { removed: name.as_str() })?;
    }
    Ok(Exit::Success)
}
