//! The tasks that a person types.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::microvm::Supplies;
use crate::stages::Stages;
use crate::{base_image, build, guests, judge_image, kernel, machine, process, workspace};

/// Prepares the machine, builds everything and runs the judge over `submissions`.
pub(crate) fn demo(arguments: &[String]) -> Result<ExitCode> {
    let root = workspace::root()?;
    let mut stages = Stages::default();
    stages.run("machine", machine::prepare)?;
    stages.run("guest components", || guests::build(&guests::Options::default()))?;
    let agent = stages.run("agent", || build::agent(&root))?;
    let supplies = Supplies::with_program(&mut stages, &root, &agent)?;
    let host = stages.run("host (wasmtime takes minutes, once)", || build::host(&root))?;
    let components = workspace::target(&root).join("components");
    let mut judge = Command::new(host);
    judge
        .current_dir(&root)
        .arg("run")
        .arg(components.join("judge.wasm"))
        .arg("--policy")
        .arg(components.join("allowlist.wasm"))
        .args(["--volume", "submissions=examples/judge/submissions"])
        .arg("--")
        .args(arguments);
    supplies.iter().for_each(|supplies| supplies.tell(&mut judge));
    let status = stages.run("judge", || judge.status().context("failed to start the host"))?;
    // The judge's own word: whether every expectation held.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Passes every test: style first, since it is quick to mend.
pub(crate) fn test() -> Result<()> {
    let root = workspace::root()?;
    let mut stages = Stages::default();
    stages.run("machine", machine::prepare_for_tests)?;
    stages.run("format", || format(&root))?;
    stages.run("guest components", || guests::build(&guests::Options::default()))?;
    stages.run("guests' own tests", || guests::test(&root))?;
    let agent = stages.run("agent", || build::agent(&root))?;
    let supplies = Supplies::prepare(&mut stages, &root, &agent)?;
    // Builds the host and the VMM too: together with the tests, so that their libraries are built for all at once.
    stages.run("tests (wasmtime takes minutes, once)", || {
        let mut cargo = workspace::cargo(&root);
        cargo
            .args(["test", "--release", "--workspace", "--no-fail-fast"])
            .env("MIMOBOX_AGENT", &agent)
            .env("MIMOBOX_COMPONENTS", workspace::target(&root).join("components"))
            // Tests of the library write no audit log of this user's.
            .env("XDG_STATE_HOME", workspace::target(&root).join("state"));
        supplies.iter().for_each(|supplies| supplies.tell(&mut cargo));
        process::run(&mut cargo).context("tests failed")
    })?;
    stages.run("lints", || lint(&root))
}

/// The style alone: format and lints.
pub(crate) fn check() -> Result<()> {
    let root = workspace::root()?;
    let mut stages = Stages::default();
    stages.run("format", || format(&root))?;
    stages.run("lints", || lint(&root))
}

/// Measures, each figure beside its peer in the same run.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    let root = workspace::root()?;
    let mut stages = Stages::default();
    stages.run("machine", machine::prepare_for_bench)?;
    stages.run("guest components", || guests::build(&guests::Options::default()))?;
    let agent = stages.run("agent", || build::agent(&root))?;
    let supplies = Supplies::with_program(&mut stages, &root, &agent)?;
    stages.run("bench", || {
        let mut cargo = workspace::cargo(&root);
        cargo
            .args(["run", "--quiet", "--release", "--package", "mimobox-bench", "--"])
            .args(arguments)
            .env("MIMOBOX_AGENT", &agent)
            .env("MIMOBOX_COMPONENTS", workspace::target(&root).join("components"));
        supplies.iter().for_each(|supplies| supplies.tell(&mut cargo));
        process::run(&mut cargo)
    })
}

/// The guest's kernel alone.
pub(crate) fn kernel() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("machine", machine::prepare)?;
    stages.run("kernel", || kernel::build(&workspace::root()?)).map(drop)
}

/// The base image of microVMs alone, with the agent that goes into it.
pub(crate) fn base_image() -> Result<()> {
    let root = workspace::root()?;
    let mut stages = Stages::default();
    stages.run("machine", machine::prepare)?;
    let agent = stages.run("agent", || build::agent(&root))?;
    stages.run("base image", || base_image::build(&root, &agent)).map(drop)
}

/// The folder that the judge's image is imported from.
pub(crate) fn judge_image() -> Result<()> {
    let mut stages = Stages::default();
    let folder = stages.run("judge's image", judge_image::build)?;
    println!("mimobox-host image import judge {}", folder.display());
    Ok(())
}

fn format(root: &std::path::Path) -> Result<()> {
    process::run(workspace::cargo(root).args(["fmt", "--all", "--check"])).context("run `cargo fmt`")
}

fn lint(root: &std::path::Path) -> Result<()> {
    process::run(workspace::cargo(root).args([
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))
    .context("clippy found something")
}
