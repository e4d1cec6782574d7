//! `mimobox-host man`: the manual pages, made of the same text as `--help`.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde::Serialize;

use crate::cli::{Arguments, GlobalArguments, ManArguments};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output;

/// Prints a page, or writes all of them into a directory.
pub(super) fn man(global: &GlobalArguments, arguments: &ManArguments) -> Outcome {
    let program = Arguments::command().disable_help_subcommand(true);
    let Some(directory) = &arguments.all else {
        let (command, name) = find(program, &arguments.command)?;
        let page = page(command, &name)?;
        if global.json {
            output::show_json(&Printed { name: &name, page: &page })?;
        } else {
            output::show(&page);
        }
        return Ok(Exit::Success);
    };
    let mut written = Vec::new();
    write_all(program, directory, &mut written)?;
    if global.json {
        output::show_json(&Written { pages: &written })?;
    } else {
        written.iter().for_each(|file| output::show(format_args!("{file}\n")));
    }
    Ok(Exit::Success)
}

/// What `--json` prints of one page.
#[derive(Serialize)]
struct Printed<'a> {
    /// Without its section, which is 1.
    name: &'a str,
    /// For roff.
    page: &'a str,
}

/// What `--json` prints of all pages.
#[derive(Serialize)]
struct Written<'a> {
    /// The files.
    pages: &'a [String],
}

/// The command that these words lead to, and the name of its page: `mimobox-host-image-import`.
fn find(program: Command, words: &[String]) -> anyhow::Result<(Command, String)> {
    let mut name = program.get_name().to_owned();
    let mut found = program;
    for word in words {
        let inner = found.find_subcommand(word).cloned();
        found = inner.ok_or_else(|| anyhow!("no command `{}`", words.join(" ")))?;
        name = format!("{name}-{word}");
    }
    Ok((found, name))
}

fn page(command: Command, name: &str) -> anyhow::Result<String> {
    let mut page = Vec::new();
    let command = command.display_name(name).bin_name(name.replacen("mimobox-host-", "mimobox-host ", 1));
    Man::new(command).title(name).render(&mut page).context("failed to make the page")?;
    Ok(String::from_utf8(page)?)
}

fn write_all(program: Command, directory: &Path, written: &mut Vec<String>) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))?;
    let mut left = vec![(program.get_name().to_owned(), program)];
    while let Some((name, command)) = left.pop() {
        let inner =
            command.get_subcommands().map(|inner| (format!("{name}-{}", inner.get_name()), inner.clone()));
        left.extend(inner);
        let file = directory.join(format!("{name}.1"));
        fs::write(&file, page(command, &name)?)
            .with_context(|| format!("failed to write {}", file.display()))?;
        written.push(file.display().to_string());
    }
    written.sort_unstable();
    Ok(())
}
