//! `inspect` and `doctor`.

use crate::Caller;
use crate::guests::command_that_imports;

#[test]
fn an_orchestrator_is_shown_as_a_permission_request() {
    let caller = Caller::new();
    let done = caller.component("judge").call(&["inspect", "judge.wasm"]).exits(0);
    for line in [
        "purpose    orchestrator",
        "asks to\n",
        "make sandboxes",
        "of wasi: output, clocks",
        "exports\n  run\n",
    ] {
        assert!(done.stdout.contains(line), "{line}: {done:#?}");
    }
}

#[test]
fn a_policy_asks_for_nothing() {
    let caller = Caller::new();
    let report = caller.component("allowlist").call(&["inspect", "--json", "allowlist.wasm"]).exits(0).json();
    assert_eq!(report["purpose"], "policy");
    assert_eq!(report["imports"], serde_json::json!([]));
    assert_eq!(report["exports"], serde_json::json!(["mimobox:policy/decision@0.1.0"]));
    assert!(report["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(report["size"].as_u64().unwrap() > 1000);
}

#[test]
fn what_this_host_lacks_is_shown() {
    let caller = Caller::new();
    caller.file("a.wasm", command_that_imports("acme:rocket/launch@1.0.0"));
    let done = caller.call(&["inspect", "a.wasm"]).exits(0);
    assert!(done.stdout.contains("cannot run here for want of\n  acme:rocket/launch@1.0.0"), "{done:#?}");
    let report = caller.call(&["inspect", "--json", "a.wasm"]).exits(0).json();
    assert_eq!(report["purpose"], "command");
    assert_eq!(report["imports"][0]["standing"], "lacking");
}

#[test]
fn doctor_makes_a_sandbox_and_says_so() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let report = caller.call(&["doctor", "--json"]).exits(0).json();
    assert_eq!(report["works"], true);
    let checks = report["checks"].as_array().unwrap();
    for mechanism in ["namespaces", "landlock", "seccomp", "memory-limit", "kvm", "os-sandbox"] {
        assert!(checks.iter().any(|check| check["mechanism"] == mechanism), "{mechanism}: {report:#}");
    }
    assert!(caller.call(&["doctor"]).exits(0).stdout.contains("Sandboxes of isolation os can be made."));
}

#[test]
fn doctor_exits_with_1_where_no_sandbox_can_be_made() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.file("mimobox.toml", "[audit]\nfile = \"/dev/full\"\n");
    let report = caller.call(&["doctor", "--json"]).exits(1).json();
    assert_eq!(report["works"], false);
}
