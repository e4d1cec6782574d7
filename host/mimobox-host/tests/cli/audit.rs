//! The audit log: written before the effect, or there is no effect.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::Caller;

#[test]
fn every_step_is_in_the_log_in_its_order() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--", "echo", "hello"]).exits(0);
    let entries = caller.audit();
    let words: Vec<_> = entries.iter().map(|entry| entry["entry"].as_str().unwrap()).collect();
    assert_eq!(words, ["requested", "created", "finished", "requested", "finished", "changed"]);
    assert_eq!(entries[0]["request"]["create"]["isolation"], "os");
    assert_eq!(entries[3]["request"]["execute"]["program"], "echo");
    assert_eq!(entries[4]["status"], serde_json::json!({"exited": 0}));
    assert_eq!(entries[4]["bytes"]["stdout"], 6);
    assert_eq!(entries[5]["change"], "closing");
    assert!(entries.iter().all(|entry| entry["host"] == entries[0]["host"]));
}

#[test]
fn a_refusal_is_in_the_log_with_its_rule() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--memory", "64 GiB", "--", "true"]).exits(126);
    let entries = caller.audit();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["decision"]["effect"], "deny");
    assert_eq!(entries[0]["decision"]["rules"][0]["rule"], "ceiling-memory");
}

#[test]
fn values_of_variables_are_not_in_the_log() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--env", "TOKEN=hunter2", "--", "true"]).exits(0);
    let log = fs::read_to_string(caller.path("state/mimobox-host/audit.jsonl")).unwrap();
    assert!(log.contains("TOKEN") && !log.contains("hunter2"), "{log}");
}

#[test]
fn the_log_is_its_owners_alone() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--", "true"]).exits(0);
    let mode = |name: &str| fs::metadata(caller.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("state/mimobox-host"), 0o700);
    assert_eq!(mode("state/mimobox-host/audit.jsonl"), 0o600);
}

#[test]
fn a_full_disk_refuses_the_operation_before_it_has_an_effect() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    fs::create_dir(caller.path("data")).unwrap();
    caller.file(
        "mimobox.toml",
        "[audit]\nfile = \"/dev/full\"\n[volume.data]\npath = \"data\"\naccess = \"read-write\"\n",
    );
    caller
        .call(&["exec", "--volume", "data", "--", "touch", "/mnt/data/made"])
        .exits(125)
        .says("failed to write the audit log")
        .says("No space left on device");
    assert!(!caller.path("data/made").exists());
}

#[test]
fn a_log_that_others_can_write_to_is_refused() {
    let caller = Caller::new();
    caller.file("audit.jsonl", "").file("mimobox.toml", "[audit]\nfile = \"audit.jsonl\"\n");
    fs::set_permissions(caller.path("audit.jsonl"), fs::Permissions::from_mode(0o666)).unwrap();
    caller
        .call(&["exec", "--", "true"])
        .exits(125)
        .says("others may write to the audit log audit.jsonl (mode 666)");
}

#[test]
fn a_state_folder_that_others_can_write_to_is_refused() {
    let caller = Caller::new();
    fs::create_dir_all(caller.path("state/mimobox-host")).unwrap();
    fs::set_permissions(caller.path("state/mimobox-host"), fs::Permissions::from_mode(0o777)).unwrap();
    caller.call(&["exec", "--", "true"]).exits(125).says("others may write to the folder");
}
