//! Compiles the system call filters in `src/jail/filters`, so that a jailed process carries no compiler.
#![allow(clippy::expect_used, reason = "a list that is wrong ends the build")]

use std::path::Path;

use seccompiler::{TargetArch, compile_from_json};
use serde_json::{Value, json};

const FILTERS: &str = "src/jail/filters";

fn main() {
    println!("cargo::rerun-if-changed={FILTERS}");
    let out = std::env::var("OUT_DIR").expect("cargo names a folder");
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo names the architecture");
    let architecture = TargetArch::try_from(architecture.as_str()).expect("filters are for x86-64");
    let every = list("every");
    for kind in ["control", "vcpu", "device"] {
        let mut entries = list(kind);
        entries.extend(every.clone());
        for entry in &mut entries {
            // Reasons are for people.
            entry.as_object_mut().expect("an entry is an object").remove("reason");
        }
        let filter = json!({ kind: { "mismatch_action": "kill_process", "match_action": "allow", "filter": entries } });
        let mut compiled = compile_from_json(filter.to_string().as_bytes(), architecture).expect(kind);
        let program = compiled.remove(kind).expect("the filter that was given");
        let bytes: Vec<u8> = program
            .iter()
            .flat_map(|instruction| {
                let [low, high] = instruction.code.to_le_bytes();
                let [a, b, c, d] = instruction.k.to_le_bytes();
                [low, high, instruction.jt, instruction.jf, a, b, c, d]
            })
            .collect();
        std::fs::write(Path::new(&out).join(format!("{kind}.bpf")), bytes).expect("the folder is ours");
    }
}

fn list(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{FILTERS}/{name}.json")).expect(name);
    serde_json::from_str(&text).expect(name)
}
