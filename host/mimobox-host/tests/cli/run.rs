//! `run`: how a component's end becomes an exit code.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Caller;
use crate::guests::command;

#[test]
fn a_component_that_succeeds_exits_with_0() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.file("a.wasm", command("i32.const 0")).call(&["run", "a.wasm"]).exits(0).prints("");
}

#[test]
fn a_component_that_fails_exits_with_1() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.file("a.wasm", command("i32.const 1")).call(&["run", "a.wasm"]).exits(1);
}

#[test]
fn a_component_that_traps_exits_with_125() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller
        .file("a.wasm", command("unreachable"))
        .call(&["run", "a.wasm"])
        .exits(125)
        .says("component `a`: it trapped");
}

#[test]
fn a_component_that_spins_exits_with_124() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let spin = command("(loop br 0) i32.const 0");
    caller
        .file("a.wasm", spin)
        .call(&["run", "--timeout", "200 ms", "a.wasm"])
        .exits(124)
        .says("timed out after 0.2 s");
}

#[test]
fn json_holds_a_run_as_data() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.file("good.wasm", command("i32.const 0")).file("bad.wasm", command("unreachable"));
    let good = caller.call(&["run", "--json", "good.wasm"]).exits(0).json();
    assert_eq!(
        (&good["component"], &good["exit_code"], &good["error"]),
        (&"good".into(), &0.into(), &().into())
    );
    assert!(good["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(good["stdout"], serde_json::json!({"text": ""}));
    let bad = caller.call(&["run", "--json", "bad.wasm"]).exits(125).json();
    assert_eq!((&bad["exit_code"], &bad["error"]["code"]), (&125.into(), &"trapped".into()));
}

#[test]
fn an_interrupted_run_exits_with_130() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let spin = command("(loop br 0) i32.const 0");
    let mut host = caller.file("a.wasm", spin).start(&["run", "a.wasm"], Stdio::null());
    // The log is opened after signals are listened for.
    while !caller.path("state/mimobox-host/audit.jsonl").exists() {
        sleep(Duration::from_millis(1));
    }
    kill(Pid::from_raw(i32::try_from(host.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(host.wait().unwrap().code(), Some(130));
}

#[test]
fn a_configured_component_runs_by_its_name_and_under_its_digest() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.file("a.wasm", command("i32.const 0"));
    let digest = caller.call(&["inspect", "--json", "a.wasm"]).json()["digest"].as_str().unwrap().to_owned();
    let config = format!("[component.nightly]\npath = \"a.wasm\"\ndigest = \"{digest}\"\ninterfaces = []\n");
    caller.file("mimobox.toml", config);
    let report = caller.call(&["run", "--json", "nightly"]).exits(0).json();
    assert_eq!((&report["component"], &report["digest"]), (&"nightly".into(), &digest.into()));
}

#[test]
fn a_file_cannot_take_the_name_of_a_configured_component() {
    let caller = Caller::new();
    caller.file("nightly.wasm", command("i32.const 0"));
    caller.file("mimobox.toml", "[component.nightly]\npath = \"other.wasm\"\n");
    caller.call(&["run", "nightly.wasm"]).exits(125).says("would have the name of a configured component");
    caller.file("mimobox-host.wasm", command("i32.const 0"));
    caller.call(&["run", "mimobox-host.wasm"]).exits(125).says("would have the name of this host");
}
