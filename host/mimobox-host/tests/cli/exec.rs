//! `exec`: streams, exit codes, limits, volumes.

use mimobox_harness::{Requirement, base_image, kernel, met, vmm};

use crate::Caller;

#[test]
fn a_program_runs_and_its_output_passes_through() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--", "echo", "hello"]).exits(0).prints("hello\n");
    caller.call(&["exec", "--", "sh", "-c", "echo to stderr >&2"]).exits(0).prints("").says("to stderr\n");
}

#[test]
fn standard_input_passes_through() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let text = "a line of text\n".repeat(100_000);
    caller.call_with_input(&["exec", "--", "cat"], text.as_bytes()).exits(0).prints(&text);
}

#[test]
fn a_program_that_does_not_read_its_input_still_ends() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let mut child = caller.start(&["exec", "--", "echo", "done"], std::process::Stdio::piped());
    // Stays open past the end of the program.
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"done\n");
    drop(stdin);
}

#[test]
fn the_exit_code_is_the_programs_own() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--", "sh", "-c", "exit 42"]).exits(42);
}

#[test]
fn a_program_that_takes_too_long_exits_with_124() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--timeout", "100 ms", "--", "sleep", "3600"]).exits(124);
}

#[test]
fn a_program_that_is_not_there_exits_with_127() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller
        .call(&["exec", "--", "no-such-program"])
        .exits(127)
        .says("failed to run `no-such-program`: not found");
}

#[test]
fn what_cannot_be_executed_exits_with_126() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--", "/etc/passwd"]).exits(126).says("permission denied");
    caller.call(&["exec", "--", "/usr/bin"]).exits(126).says("is a directory");
}

#[test]
fn a_program_that_a_signal_kills_exits_with_128_and_its_number() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--", "sh", "-c", "kill -TERM $$"]).exits(143);
    caller.call(&["exec", "--", "sh", "-c", "kill -KILL $$"]).exits(137);
}

#[test]
fn a_program_that_wants_more_memory_than_there_is_exits_with_137() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let hog = "my $x = 'x' x (256 << 20); print 'still here'";
    caller.call(&["exec", "--memory", "64 MiB", "--", "perl", "-e", hog]).exits(137).prints("");
}

#[test]
fn more_than_the_ceiling_exits_with_126_and_names_the_rule() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller
        .call(&["exec", "--memory", "64 GiB", "--", "true"])
        .exits(126)
        .says("failed to make a sandbox: denied by rule ceiling-memory");
    caller.file("mimobox.toml", "[ceiling]\nisolation = [\"os\"]\n");
    caller.call(&["exec", "--isolation", "micro-vm", "--", "true"]).exits(126).says("ceiling-isolation");
}

#[test]
fn a_configured_ceiling_holds() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller
        .file("mimobox.toml", "[ceiling]\ntimeout = \"1 s\"\n")
        .call(&["exec", "--timeout", "2 s", "--", "true"])
        .exits(126)
        .says("ceiling-timeout");
}

#[test]
fn a_program_that_no_policy_lists_exits_with_126() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.component("allowlist");
    let call = ["exec", "--policy", "allowlist.wasm", "--", "dd", "if=/dev/zero", "count=1"];
    caller.call(&call).exits(126).prints("").says("failed to run `dd`: denied by rule ");
}

#[test]
fn the_command_line_adds_policies_and_replaces_none() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller
        .component("allowlist")
        .file("mimobox.toml", "[[policy]]\ncomponent = \"allowlist.wasm\"\nname = \"first\"\n");
    caller.call(&["exec", "--policy", "allowlist.wasm", "--", "find", "/submissions"]);
    let entries = caller.audit();
    let execute = entries.iter().find(|entry| !entry["request"]["execute"].is_null()).unwrap();
    let rules = execute["decision"]["rules"].as_array().unwrap();
    let spoke: Vec<_> = rules.iter().map(|rule| rule["by"].as_str().unwrap()).collect();
    assert_eq!(spoke, ["first", "allowlist"]);
}

#[test]
fn variables_and_the_directory_are_the_programs() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller
        .call(&[
            "exec",
            "--env",
            "GREETING=hello",
            "--directory",
            "/tmp",
            "--",
            "sh",
            "-c",
            "echo $GREETING; pwd",
        ])
        .exits(0)
        .prints("hello\n/tmp\n");
}

#[test]
fn a_volume_is_read_only_unless_it_says_otherwise() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    std::fs::create_dir(caller.path("data")).unwrap();
    caller.file("data/greeting", "hello\n");
    let read = ["exec", "--volume", "data=data", "--", "cat", "/mnt/data/greeting"];
    caller.call(&read).exits(0).prints("hello\n");
    let write = "echo changed > /mnt/data/greeting";
    let done = caller.call(&["exec", "--volume", "data=data", "--", "sh", "-c", write]);
    assert_ne!(done.stderr, "");
    assert_eq!(std::fs::read_to_string(caller.path("data/greeting")).unwrap(), "hello\n");
}

#[test]
fn a_configured_volume_is_known_by_its_name() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    std::fs::create_dir(caller.path("data")).unwrap();
    caller.file("data/greeting", "hello\n").file("mimobox.toml", "[volume.data]\npath = \"data\"\n");
    caller.call(&["exec", "--volume", "data", "--", "cat", "/mnt/data/greeting"]).exits(0).prints("hello\n");
    caller
        .call(&["exec", "--volume", "data=data", "--", "true"])
        .exits(125)
        .says("there is a volume `data` already");
}

#[test]
fn json_holds_the_result_as_data() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let script = "printf 'text\\n'; printf '\\377' >&2; exit 3";
    let result = caller.call(&["exec", "--json", "--", "sh", "-c", script]).exits(3).json();
    assert_eq!(result["status"], serde_json::json!({"exited": 3}));
    assert_eq!(result["exit_code"], 3);
    assert_eq!(result["stdout"], serde_json::json!({"text": "text\n"}));
    assert_eq!(result["stderr"], serde_json::json!({"base64": "/w=="}));
    assert!(result["elapsed"].as_f64().unwrap() > 0.0);
    assert!(result["audit"].as_str().unwrap().ends_with("/state/mimobox-host/audit.jsonl"));
    let enforcement = result["enforcement"].as_array().unwrap();
    assert!(enforcement.iter().any(|line| line["mechanism"] == "seccomp" && line["status"] == "enforced"));
}

#[test]
fn json_holds_a_refusal_as_data() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let result = caller.call(&["exec", "--json", "--memory", "64 GiB", "--", "true"]).exits(126).json();
    assert_eq!(result["error"]["code"], "denied");
    assert_eq!(result["error"]["rule"], "ceiling-memory");
    assert_eq!(result["exit_code"], 126);
}

#[test]
fn json_takes_no_more_output_than_the_operator_lets_it() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.file("mimobox.toml", "[ceiling]\noutput = \"1 KiB\"\n");
    let result = caller.call(&["exec", "--json", "--", "yes"]).exits(125).json();
    assert_eq!(result["error"]["code"], "limit-reached");
}

#[test]
fn the_enforcement_report_goes_to_standard_error() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let done = caller.call(&["exec", "--enforcement", "--", "echo", "out"]).exits(0).prints("out\n");
    for mechanism in ["seccomp ", "landlock ", "memory-limit ", "user-namespace "] {
        assert!(done.stderr.contains(mechanism), "{mechanism}: {done:#?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let mut child = caller.start(&["exec", "--", "yes"], std::process::Stdio::null());
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn a_micro_vm_runs_a_kernel_of_its_own() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    if !met(Requirement::Kvm) {
        return;
    }
    let parts = [("MIMOBOX_VMM", vmm()), ("MIMOBOX_KERNEL", kernel()), ("MIMOBOX_BASE_IMAGE", base_image())];
    let variables: Vec<_> = parts.iter().map(|(name, path)| (*name, path.to_str().unwrap())).collect();
    let exec = ["exec", "--isolation", "micro-vm", "--memory", "64 MiB", "--", "uname", "-r"];
    let done = caller.call_with_variables(&exec, &variables).exits(0);
    assert!(done.stdout.trim_end().ends_with("-mimobox"), "{}", done.stdout);
}

#[test]
fn a_micro_vm_without_its_parts_is_refused_and_doctor_says_why() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let nowhere = [("MIMOBOX_KERNEL", "/nowhere/vmlinux")];
    let exec = ["exec", "--isolation", "micro-vm", "--", "true"];
    let done = caller.call_with_variables(&exec, &nowhere);
    assert!(done.stderr.contains("doctor"), "{}", done.stderr);
    assert!(caller.call_with_variables(&["doctor"], &nowhere).stdout.contains("cargo xtask kernel"));
}
