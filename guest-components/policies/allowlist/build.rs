//! Checks `rules.toml` and puts it into the component in a form that costs next to nothing to read: a policy decides
//! in a fresh instance each time, so what it reads it reads again for every decision.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use serde::Deserialize;

#[path = "src/rules.rs"]
#[allow(dead_code, reason = "the policy uses the rest of it")]
mod rules;

use rules::{Access, Create, Files, OperationKind, Program, Rules};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=rules.toml");
    println!("cargo::rerun-if-changed=src/rules.rs");
    let text = fs::read_to_string("rules.toml").map_err(|error| format!("rules.toml: {error}"))?;
    let file: RulesFile = toml::from_str(&text).map_err(|error| format!("rules.toml: {error}"))?;
    let bytes = postcard::to_allocvec(&file.compile().map_err(|error| format!("rules.toml: {error}"))?)?;
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    fs::write(Path::new(&folder).join("rules.bin"), bytes)?;
    Ok(())
}

/// `rules.toml` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default)]
    operations: Vec<OperationKind>,
    #[serde(default)]
    variables: Vec<String>,
    create: CreateTable,
    #[serde(default, rename = "program")]
    programs: Vec<ProgramTable>,
    #[serde(default)]
    files: Vec<FilesTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateTable {
    isolation: Vec<String>,
    images: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    sandboxes: Option<u32>,
    memory: Option<String>,
    cpu: Option<u32>,
    processes: Option<u32>,
    lifetime: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramTable {
    rule: Option<String>,
    name: String,
    arguments: Option<Vec<String>>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    terminal: bool,
    timeout: Option<String>,
    memory: Option<String>,
    processes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilesTable {
    rule: String,
    paths: Vec<String>,
    access: Vec<Access>,
}

impl RulesFile {
    fn compile(&self) -> Result<Rules<'_>, String> {
        Ok(Rules {
            operations: self.operations.clone(),
            variables: borrowed(&self.variables),
            create: self.create.compile()?,
            programs: self.programs.iter().map(ProgramTable::compile).collect::<Result<_, _>>()?,
            files: self.files.iter().map(FilesTable::compile).collect::<Result<_, _>>()?,
        })
    }
}

impl CreateTable {
    fn compile(&self) -> Result<Create<'_>, String> {
        Ok(Create {
            isolation: borrowed(&self.isolation),
            images: borrowed(&self.images),
            volumes: borrowed(&self.volumes),
            hosts: borrowed(&self.hosts),
            sandboxes: self.sandboxes,
            memory: self.memory.as_deref().map(bytes).transpose()?,
            cpu: self.cpu,
            processes: self.processes,
            lifetime: self.lifetime.as_deref().map(nanoseconds).transpose()?,
        })
    }
}

impl ProgramTable {
    fn compile(&self) -> Result<Program<'_>, String> {
        let (arguments, more_arguments) = match self.arguments.as_deref() {
            None => (&[][..], true),
            Some([first @ .., last]) if last == "..." => (first, true),
            Some(all) => (all, false),
        };
        if arguments.iter().any(|argument| argument == "...") {
            return Err(format!("program {:?}: `...` is for the end of the arguments", self.name));
        }
        Ok(Program {
            rule: self.rule.as_deref().unwrap_or(&self.name),
            name: &self.name,
            arguments: borrowed(arguments),
            more_arguments,
            users: borrowed(&self.users),
            terminal: self.terminal,
            timeout: self.timeout.as_deref().map(nanoseconds).transpose()?,
            memory: self.memory.as_deref().map(bytes).transpose()?,
            processes: self.processes,
        })
    }
}

impl FilesTable {
    fn compile(&self) -> Result<Files<'_>, String> {
        if let Some(path) = self.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(format!("files {:?}: {path:?} does not begin with a slash", self.rule));
        }
        Ok(Files { rule: &self.rule, paths: borrowed(&self.paths), access: self.access.clone() })
    }
}

fn borrowed(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

fn bytes(text: &str) -> Result<u64, String> {
    quantity(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
}

fn nanoseconds(text: &str) -> Result<u64, String> {
    quantity(
        text,
        &[("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000)],
    )
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let fault = || {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is not a whole number, a space and one of {}", names.join(", "))
    };
    let (number, unit) = text.split_once(' ').ok_or_else(fault)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
    let number: u64 = number.parse().map_err(|_| fault())?;
    number.checked_mul(*factor).ok_or_else(|| format!("{text:?} is too much"))
}
