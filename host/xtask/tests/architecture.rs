//! The borders of the architecture, kept by the machine: who may depend on whom, where `unsafe` may stand, how long a file
//! may be and what it may be called. DESIGN.md says why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "asks cargo and git about the repository")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Longer than this, a file is two rooms in one.
const LONGEST_FILE: usize = 800;

/// Names that do not say what lives there.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "misc", "types"];

/// The files that may hold `unsafe`, by the folder or file that DESIGN.md names.
const UNSAFE_PLACES: [&str; 3] = ["host/confine/src/sys", "host/vmm/src/sys/", "vm-agent/agent/src/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The workspace's packages, as `cargo metadata` tells them.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = output(Command::new(cargo).current_dir(root()).args([
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--offline",
    ]));
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// What each workspace package depends on, development dependencies left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    packages()
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap().to_owned();
            let on = package["dependencies"].as_array().unwrap().iter();
            let on = on.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            (name, on.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect())
        })
        .collect()
}

/// The Rust files that git knows, or would.
fn rust_files() -> Vec<String> {
    let listing = output(Command::new("git").current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]));
    listing.lines().filter(|file| root().join(file).exists()).map(str::to_owned).collect()
}

fn is_in(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| file.starts_with(place))
}

#[test]
fn the_domain_the_protocols_and_the_image_format_depend_on_no_workspace_crate() {
    for (name, on) in dependencies() {
        let alone = ["mimobox-sandbox", "mimobox-protocol", "mimobox-erofs", "mimobox-vmm-protocol"];
        if alone.contains(&name.as_str()) {
            let inside: Vec<_> = on.iter().filter(|on| on.starts_with("mimobox-")).collect();
            assert!(inside.is_empty(), "{name} depends on {inside:?}");
        }
    }
}

#[test]
fn the_image_store_sees_the_image_format_alone() {
    let dependencies = dependencies();
    let mut inside = dependencies["mimobox-images"].iter().filter(|on| on.starts_with("mimobox-"));
    assert!(inside.all(|on| on == "mimobox-erofs"));
}

#[test]
fn the_snapshot_store_sees_the_domain_alone() {
    let dependencies = dependencies();
    let inside = dependencies["mimobox-snapshots"].iter().filter(|on| on.starts_with("mimobox-"));
    assert!(inside.eq(["mimobox-sandbox"]));
}

#[test]
fn only_the_component_crate_sees_wasmtime() {
    for (name, on) in dependencies() {
        if name != "mimobox-component" {
            let wasmtime: Vec<_> = on.iter().filter(|on| on.starts_with("wasmtime")).collect();
            assert!(wasmtime.is_empty(), "{name} depends on {wasmtime:?}");
        }
    }
}

#[test]
fn only_the_library_and_the_binary_put_the_parts_together() {
    let parts = ["mimobox-component", "mimobox-backend-os", "mimobox-backend-kvm"];
    for (name, on) in dependencies() {
        let seen = parts.iter().filter(|part| on.contains(**part)).count();
        let embeds = ["mimobox", "mimobox-host", "mimobox-harness", "mimobox-bench"].contains(&name.as_str());
        assert!(seen < 2 || embeds, "{name} puts parts together");
        assert!(!(parts.contains(&name.as_str()) && seen > 0), "{name} sees its sibling");
    }
}

#[test]
fn only_the_isolation_suite_can_weaken_a_sandbox() {
    for package in packages() {
        let weakens = package["dependencies"].as_array().unwrap().iter().any(|dependency| {
            dependency["name"] == "mimobox-backend-os"
                && dependency["features"].as_array().unwrap().contains(&"weaken".into())
        });
        assert_eq!(weakens, package["name"] == "mimobox-isolation-tests", "{}", package["name"]);
    }
}

#[test]
fn anyhow_stays_out_of_libraries() {
    for (name, on) in dependencies() {
        let may = ["mimobox-host", "xtask", "mimobox-bench", "mimobox-harness"].contains(&name.as_str());
        assert!(may || !on.contains("anyhow"), "{name} depends on anyhow");
    }
}

#[test]
fn unsafe_code_stands_only_where_the_design_lets_it() {
    for file in rust_files() {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        let has = text
            .lines()
            .any(|line| line.trim_start().starts_with("#![allow(") && line.contains("unsafe_code"));
        assert!(!has || is_in(&file, &UNSAFE_PLACES), "{file} allows unsafe code");
    }
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    let mut lengths: Vec<usize> = Vec::new();
    for file in rust_files() {
        let lines = std::fs::read_to_string(root().join(&file)).unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{file} has {lines} lines");
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 200, "half of the files are longer than {median} lines");
}

#[test]
fn every_name_says_what_lives_there() {
    for file in rust_files() {
        let parts: Vec<_> = file.trim_end_matches(".rs").split('/').collect();
        assert!(!parts.iter().any(|part| EMPTY_NAMES.contains(part)), "{file}");
    }
}

#[test]
fn the_top_level_has_the_given_folders_and_no_other() {
    let listing =
        output(Command::new("git").current_dir(root()).args(["ls-tree", "-d", "--name-only", "HEAD"]));
    let given = [".cargo", ".ci", "examples", "guest-components", "host", "tests", "vm-agent", "wit"];
    for folder in listing.lines() {
        assert!(given.contains(&folder), "{folder}");
    }
}
