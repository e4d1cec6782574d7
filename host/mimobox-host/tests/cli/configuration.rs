//! Each fault of a configuration or a command line: said with its place, and exit code 125.

use crate::Caller;

fn refused(toml: &str) -> String {
    let caller = Caller::new();
    let done = caller.file("mimobox.toml", toml).call(&["exec", "--", "true"]).exits(125).prints("");
    done.stderr.trim_end().to_owned()
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_name() {
    assert_eq!(
        refused("[ceiling]\n\nmemmory = \"1 GiB\"\n"),
        "error: unknown key `memmory` at mimobox.toml:3:1; did you mean `memory`?"
    );
}

#[test]
fn a_permission_that_is_not_enforced_yet_is_an_unknown_key() {
    for table in ["[[egress]]\nhost = \"example.com\"", "[secret.token]\nfrom-env = \"TOKEN\""] {
        assert!(refused(table).starts_with("error: unknown key `"), "{table}");
    }
}

#[test]
fn a_wrong_unit_is_named_with_its_place_and_examples() {
    assert_eq!(
        refused("[ceiling]\nmemory = \"1 min\"\n"),
        "error: at mimobox.toml:2:10: `1 min` is no size: write a number and its unit, such as \"512 MiB\" or \"1 GiB\""
    );
}

#[test]
fn a_ceiling_below_its_own_default_is_named_with_its_place() {
    assert_eq!(
        refused("[ceiling]\nmemory = \"64 MiB\"\n[defaults]\nmemory = \"128 MiB\"\n"),
        "error: the default memory of 128.0 MiB at mimobox.toml:4:10 is above the ceiling's 64.0 MiB"
    );
}

#[test]
fn a_mechanism_that_there_is_not_cannot_be_tolerated() {
    assert_eq!(
        refused("tolerate = [\"memory-limits\"]\n"),
        "error: unknown mechanism `memory-limits` at mimobox.toml:1:13; did you mean `memory-limit`?"
    );
}

#[test]
fn a_missing_file_that_was_named_is_an_error() {
    let caller = Caller::new();
    caller
        .call(&["--config", "nowhere.toml", "exec", "--", "true"])
        .exits(125)
        .says("failed to read the configuration nowhere.toml: No such file or directory");
}

#[test]
fn the_named_file_is_taken_before_the_one_that_lies_here() {
    let caller = Caller::new();
    caller.file("mimobox.toml", "[ceiling]\n").file("other.toml", "[ceilings]\n");
    caller
        .call(&["--config", "other.toml", "exec", "--", "true"])
        .exits(125)
        .says("unknown key `ceilings` at other.toml:1:2");
}

#[test]
fn a_volume_that_cannot_be_opened_is_named() {
    let caller = Caller::new();
    caller
        .call(&["exec", "--volume", "data=nowhere", "--", "true"])
        .exits(125)
        .says("failed to open the volume `data` at nowhere: No such file or directory");
    caller
        .file("mimobox.toml", "[volume.data]\npath = \"nowhere\"\n")
        .call(&["exec", "--", "true"])
        .exits(125)
        .says("failed to open the volume `data` at nowhere");
}

#[test]
fn a_wrong_call_exits_with_the_hosts_code_and_not_with_a_programs() {
    let caller = Caller::new();
    caller.call(&["exec"]).exits(125).says("PROGRAM");
    caller.call(&["exec", "--memory", "64", "--", "true"]).exits(125).says("`64` is no size");
    caller.call(&["--nonsense"]).exits(125);
    caller.call(&["--help"]).exits(0);
}

#[test]
fn an_agent_that_is_not_there_is_named_with_how_to_build_it() {
    let caller = Caller::new();
    caller
        .call_with_variables(&["exec", "--", "true"], &[("MIMOBOX_AGENT", "/nowhere/mimobox-agent")])
        .exits(125)
        .says("failed to read the sandboxes' agent /nowhere/mimobox-agent: build it with `cargo xtask");
}
