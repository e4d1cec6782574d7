//! What is no component, or none that this host takes: each with its own word.

use crate::Caller;
use crate::guests::{command_that_imports, policy_that_imports};

#[test]
fn what_is_not_webassembly_is_said_to_be_none() {
    let caller = Caller::new();
    caller.file("a.wasm", "#!/bin/sh\n");
    caller.call(&["run", "a.wasm"]).exits(125).says("failed to load component a.wasm: not WebAssembly");
    caller.call(&["inspect", "a.wasm"]).exits(125).says("not WebAssembly");
    caller.call(&["exec", "--policy", "a.wasm", "--", "true"]).exits(125).says("not WebAssembly");
}

#[test]
fn a_core_module_is_told_apart_and_helped() {
    let caller = Caller::new();
    caller.file("a.wasm", b"\0asm\x01\0\0\0");
    caller.call(&["run", "a.wasm"]).exits(125).says("a core module, not a component").says("wasm32-wasip2");
}

#[test]
fn a_truncated_component_is_refused() {
    let caller = Caller::new();
    let whole = command_that_imports("wasi:cli/stdout@0.2.0");
    caller.file("a.wasm", &whole[..whole.len() - 7]);
    caller.call(&["run", "a.wasm"]).exits(125).says("failed to load component `a`: not a valid component");
}

#[test]
fn a_component_that_is_too_large_is_refused_unread() {
    let caller = Caller::new();
    let file = std::fs::File::create(caller.path("a.wasm")).unwrap();
    file.set_len(1 << 40).unwrap();
    caller.call(&["run", "a.wasm"]).exits(125).says("too large: more than 134217728 bytes");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    Caller::new().call(&["run", "nowhere.wasm"]).exits(125).says("failed to open component nowhere.wasm");
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    let caller = Caller::new();
    caller.file("a.wasm", command_that_imports("acme:rocket/launch@1.0.0"));
    caller
        .call(&["run", "a.wasm"])
        .exits(125)
        .says("it imports what this host does not have: acme:rocket/launch@1.0.0");
}

#[test]
fn an_interface_that_was_not_granted_is_named_and_exits_with_126() {
    let caller = Caller::new();
    caller.component("judge");
    caller.file("mimobox.toml", "[component.judge]\npath = \"judge.wasm\"\ninterfaces = [\"files\"]\n");
    caller
        .call(&["run", "judge"])
        .exits(126)
        .says("it imports what the operator did not grant: ")
        .says("mimobox:host/");
}

#[test]
fn a_digest_that_is_not_the_pinned_one_exits_with_126() {
    let caller = Caller::new();
    let pinned = format!("sha256:{}", "0".repeat(64));
    caller.component("judge");
    caller.file("mimobox.toml", format!("[component.judge]\npath = \"judge.wasm\"\ndigest = \"{pinned}\"\n"));
    caller.call(&["run", "judge"]).exits(126).says("component `judge` is not the pinned one").says(&pinned);
}

#[test]
fn a_policy_that_imports_anything_is_refused() {
    let caller = Caller::new();
    caller.file("a.wasm", policy_that_imports());
    caller
        .call(&["exec", "--policy", "a.wasm", "--", "true"])
        .exits(125)
        .says("a policy may import nothing; it imports wasi:random/random@0.2.0");
}

#[test]
fn an_orchestrator_is_no_policy_and_a_policy_nothing_to_run() {
    let caller = Caller::new();
    caller.component("judge").component("allowlist");
    caller.call(&["exec", "--policy", "judge.wasm", "--", "true"]).exits(125).says("not a policy");
    caller.call(&["run", "allowlist.wasm"]).exits(125).says("nothing to run");
}
