use super::*;
use mimobox_sandbox::Isolation;

const KNOWN: Vocabulary<'_> = Vocabulary {
    interfaces: &["execute", "sandbox", "stream"],
    mechanisms: &["cpu-limit", "landlock", "seccomp"],
};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("etc/mimobox.toml"), text, KNOWN)
}

fn refusal(text: &str) -> String {
    match parse(text) {
        Err(error) => error.to_string(),
        Ok(config) => panic!("not refused: {config:?}"),
    }
}

#[test]
fn an_empty_configuration_is_the_built_in_one() {
    let (empty, built_in) = (parse("").unwrap(), Config::default());
    assert_eq!(format!("{:?}", empty.ceiling), format!("{:?}", built_in.ceiling));
    assert_eq!(empty.policies, built_in.policies);
    assert_eq!(empty.audit, built_in.audit);
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
        tolerate = ["cpu-limit"]
        [ceiling]
        isolation = ["micro-vm", "os"]
        sandboxes = 8
        sandboxes-per-run = 4
        commands = 5
        memory = "2 GiB"
        cpu = 4
        processes = 100
        disk = "3 GiB"
        timeout = "1 min"
        lifetime = "2 h"
        output = "16 MiB"
        [defaults]
        memory = "64 MiB"
        cpu = 0.25
        processes = 10
        disk = "32 MiB"
        [[policy]]
        component = "first.wasm"
        deadline = "50 ms"
        [[policy]]
        component = "/opt/second.wasm"
        name = "office-hours"
        [component.nightly]
        path = "nightly.wasm"
        digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        interfaces = ["execute", "stream"]
        [volume.fixtures]
        path = "data"
        [volume.scratch]
        path = "/srv/scratch"
        access = "read-write"
        [audit]
        file = "audit.jsonl"
        [images]
        bytes = "2 GiB"
        entries = 1000
        depth = 32
        path-length = 1024
        [micro-vm]
        kernel = "vmlinux"
        base-image = "/srv/base.erofs"
        "#,
    )
    .unwrap();

    let Ceiling { isolation, sandboxes, sandboxes_per_run, commands, limits, defaults, .. } = &config.ceiling;
    assert_eq!(*isolation, [Isolation::MicroVm, Isolation::Os]);
    assert_eq!((*sandboxes, *sandboxes_per_run, *commands), (8, 4, 5));
    assert_eq!((limits.memory, limits.cpu, limits.processes, limits.disk), (2 << 30, 4000, 100, 3 << 30));
    assert_eq!(
        (defaults.memory, defaults.cpu, defaults.processes, defaults.disk),
        (64 << 20, 250, 10, 32 << 20)
    );
    assert_eq!(config.ceiling.timeout, Duration::from_secs(60));
    assert_eq!(config.ceiling.lifetime, Duration::from_secs(7200));
    assert_eq!(config.ceiling.output, 16 << 20);
    assert_eq!(config.ceiling.volumes["fixtures"], Access::ReadOnly);
    assert_eq!(config.ceiling.volumes["scratch"], Access::ReadWrite);
    assert_eq!(config.volumes["fixtures"], Path::new("etc/data"));
    assert_eq!(config.volumes["scratch"], Path::new("/srv/scratch"));
    assert_eq!(config.audit.as_deref(), Some(Path::new("etc/audit.jsonl")));
    assert!(config.tolerate.contains("cpu-limit"));
    let images = mimobox_images::Limits { bytes: 2 << 30, entries: 1000, depth: 32, path: 1024 };
    assert_eq!(config.images, images);
    assert_eq!(config.micro_vm.kernel.as_deref(), Some(Path::new("etc/vmlinux")));
    assert_eq!(config.micro_vm.base_image.as_deref(), Some(Path::new("/srv/base.erofs")));

    let [first, second] = config.policies.as_slice() else { panic!("two policies: {:?}", config.policies) };
    assert_eq!((first.name.as_str(), first.deadline), ("first", Duration::from_millis(50)));
    assert_eq!(first.path, Path::new("etc/first.wasm"));
    assert_eq!((second.name.as_str(), second.deadline), ("office-hours", POLICY_DEADLINE));

    let nightly = &config.components["nightly"];
    assert_eq!(nightly.path, Path::new("etc/nightly.wasm"));
    assert!(nightly.digest.as_ref().is_some_and(|digest| digest.starts_with("sha256:0123")));
    assert_eq!(nightly.interfaces.as_ref().map(BTreeSet::len), Some(2));
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
    assert_eq!(
        refusal("[ceiling]\nsandboxes = 4\nmemmory = \"1 GiB\"\n"),
        "unknown key `memmory` at etc/mimobox.toml:3:1; did you mean `memory`?"
    );
    assert_eq!(
        refusal("[[policy]]\ncomponent = \"p.wasm\"\n  dedline = \"1 s\"\n"),
        "unknown key `dedline` at etc/mimobox.toml:3:3; did you mean `deadline`?"
    );
    assert_eq!(
        refusal("[volume.data]\npath = \"x\"\nacess = \"read\""),
        "unknown key `acess` at etc/mimobox.toml:3:1; did you mean `access`?"
    );
    assert_eq!(
        refusal("[ceilling]\n"),
        "unknown key `ceilling` at etc/mimobox.toml:1:2; did you mean `ceiling`?"
    );
}

#[test]
fn a_permission_that_is_not_enforced_is_an_unknown_key() {
    let refusal = refusal("[[egress]]\nhost = \"api.example.com\"\n");
    assert!(
        refusal.starts_with("unknown key `egress` at etc/mimobox.toml:1:3; known are `tolerate`"),
        "{refusal}"
    );
}

#[test]
fn a_wrong_unit_is_refused_with_its_place_and_examples() {
    assert_eq!(
        refusal("[ceiling]\nmemory = \"1 min\"\n"),
        "at etc/mimobox.toml:2:10: `1 min` is no size: write a number and its unit, such as \"512 MiB\" or \"1 GiB\""
    );
    assert_eq!(
        refusal("[ceiling]\nmemory = 512\n"),
        "at etc/mimobox.toml:2:10: `512` is no size: write a number and its unit, such as \"512 MiB\" or \"1 GiB\""
    );
    let refusal = refusal("[[policy]]\ncomponent = \"p.wasm\"\ndeadline = \"50 MiB\"\n");
    assert!(refusal.contains(":3:12: `50 MiB` is no duration"), "{refusal}");
}

#[test]
fn a_ceiling_below_its_own_default_is_refused() {
    assert_eq!(
        refusal("[ceiling]\nmemory = \"256 MiB\"\n[defaults]\nmemory = \"512 MiB\"\n"),
        "the default memory of 512.0 MiB at etc/mimobox.toml:4:10 is above the ceiling's 256.0 MiB"
    );
    assert_eq!(
        refusal("[defaults]\ncpu = 64\n"),
        "the default cpu of 64 at etc/mimobox.toml:2:7 is above the ceiling's 2"
    );
}

#[test]
fn a_built_in_default_gives_way_to_a_lower_ceiling() {
    let ceiling = parse("[ceiling]\nmemory = \"64 MiB\"\nsandboxes = 2\n").unwrap().ceiling;
    assert_eq!(ceiling.defaults.memory, 64 << 20);
    assert_eq!(ceiling.sandboxes_per_run, 2);
}

#[test]
fn a_limit_under_which_nothing_runs_is_refused() {
    for (text, place) in [
        ("[ceiling]\nsandboxes = 0", "2:13"),
        ("[ceiling]\nprocesses = 1", "2:13"),
        ("[ceiling]\nmemory = \"1 kB\"", "2:10"),
        ("[defaults]\nmemory = \"1 kB\"", "2:10"),
    ] {
        let refusal = refusal(text);
        assert!(
            refusal.contains("too little") && refusal.starts_with(&format!("at etc/mimobox.toml:{place}: ")),
            "{refusal}"
        );
    }
    assert!(refusal("[images]\ndepth = 257").contains("at most 256"));
    assert!(refusal("[ceiling]\nisolation = []").contains("an empty list of isolations"));
}

#[test]
fn a_name_that_this_host_does_not_know_is_refused_with_the_nearest() {
    assert_eq!(
        refusal("tolerate = [\"seccom\"]"),
        "unknown mechanism `seccom` at etc/mimobox.toml:1:13; did you mean `seccomp`?"
    );
    assert_eq!(
        refusal("[component.a]\npath = \"a.wasm\"\ninterfaces = [\"excute\"]"),
        "unknown interface `excute` at etc/mimobox.toml:3:15; did you mean `execute`?"
    );
    assert_eq!(
        refusal("[ceiling]\nisolation = [\"vm\"]"),
        "unknown value `vm` at etc/mimobox.toml:2:14; known are `os`, `micro-vm`"
    );
}

#[test]
fn what_is_no_digest_or_no_name_is_refused() {
    assert!(
        refusal("[component.a]\npath = \"a\"\ndigest = \"sha256:abc\"").contains("a digest is `sha256:`")
    );
    assert!(refusal("[component.mimobox-host]\npath = \"a\"").contains("can't have the name of this host"));
    assert!(refusal("[volume.\"a/b\"]\npath = \"a\"").contains("`a/b` is no name"));
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let refusal = refusal("[ceiling\n");
    assert!(refusal.starts_with("at etc/mimobox.toml:1:9: "), "{refusal}");
}

#[test]
fn a_missing_file_that_was_named_is_refused() {
    let refusal = Config::find(Some(Path::new("/nonexistent/mimobox.toml")), KNOWN).unwrap_err();
    assert_eq!(refusal.to_string(), "failed to read the configuration /nonexistent/mimobox.toml");
}
