//! `completions` and `man`: what is known about the command line, for shells and for man(1).

use std::fs;
use std::process::{Command, Stdio};

use crate::Caller;

#[test]
fn each_shell_gets_a_script_that_knows_every_command() {
    let caller = Caller::new();
    for shell in ["bash", "fish", "zsh"] {
        let script = caller.call(&["completions", shell]).exits(0).stdout;
        for word in
            ["run", "exec", "shell", "inspect", "image", "doctor", "completions", "man", "enforcement"]
        {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let report = caller.call(&["completions", "--json", shell]).exits(0).json();
        assert_eq!(report, serde_json::json!({"shell": shell, "script": script}));
    }
    caller.call(&["completions", "cmd"]).exits(125).says("possible values: bash, fish, zsh");
}

#[test]
fn the_script_is_one_that_bash_reads() {
    let caller = Caller::new();
    let script = caller.call(&["completions", "bash"]).exits(0).stdout;
    caller.file("script", script);
    let question = "source ./script; COMP_WORDS=(mimobox-host image im); COMP_CWORD=2; \
                    _mimobox__host mimobox-host im image; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let answer =
        bash.args(["--norc", "-c", question]).current_dir(caller.path("")).stdin(Stdio::null()).output();
    assert_eq!(String::from_utf8(answer.unwrap().stdout).unwrap(), "import\n");
}

#[test]
fn there_is_a_page_of_the_program_and_of_each_command() {
    let caller = Caller::new();
    let page = caller.call(&["man"]).exits(0).stdout;
    assert!(page.contains(".TH mimobox-host 1") && page.contains("Exit codes"), "{page}");
    let page = caller.call(&["man", "image", "import"]).exits(0).stdout;
    assert!(page.contains(".TH mimobox-host-image-import 1"), "{page}");
    assert!(page.contains("\\-\\-replace"), "{page}");
    caller.call(&["man", "nonsense"]).exits(125).says("no command `nonsense`");
}

#[test]
fn all_pages_are_written_into_a_directory() {
    let caller = Caller::new();
    let report = caller.call(&["man", "--json", "--all", "pages"]).exits(0).json();
    let pages: Vec<_> =
        report["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    for page in ["pages/mimobox-host.1", "pages/mimobox-host-exec.1", "pages/mimobox-host-image-show.1"] {
        assert!(pages.contains(&page), "{pages:?}");
        assert!(fs::read_to_string(caller.path(page)).unwrap().contains(".SH NAME"), "{page}");
    }
}

#[test]
fn neither_needs_a_configuration_that_can_be_read() {
    let caller = Caller::new();
    caller.file("mimobox.toml", "[nonsense]\n");
    caller.call(&["completions", "bash"]).exits(0);
    caller.call(&["man"]).exits(0);
}
