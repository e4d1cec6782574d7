//! `run`: how a component's end becomes an exit code.

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
