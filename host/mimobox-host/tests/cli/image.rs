//! `image`: import, list, show, remove, and a program that runs in one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Caller;

const PROGRAM: &str = r#"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
    char place[256];
    if (count > 1 && strcmp(words[1], "where") == 0) {
        printf("%s as %d\n", getcwd(place, sizeof place), (int)getuid());
    } else {
        printf("hello from the image\n");
    }
    return 0;
}
"#;

/// Makes a root that holds one program, `hello`.
fn root(caller: &Caller) -> &Path {
    let bin = caller.path("root/bin");
    fs::create_dir_all(&bin).unwrap();
    for directory in ["etc", "tmp", "srv"] {
        fs::create_dir(caller.path("root").join(directory)).unwrap();
    }
    caller.file("root/etc/passwd", "root:x:0:0::/:/bin/hello\nguest:x:7:7::/srv:/bin/hello\n");
    caller.file("root/etc/group", "root:x:0:\nguest:x:7:\n").file("hello.c", PROGRAM);
    let compiled = Command::new("cc")
        .args(["-static", "-o"])
        .arg(bin.join("hello"))
        .arg(caller.path("hello.c"))
        .status();
    assert!(compiled.unwrap().success());
    Path::new("root")
}

/// The smallest root that there is.
fn tiny_root(caller: &Caller) {
    fs::create_dir_all(caller.path("root/etc")).unwrap();
    caller.file("root/etc/hostname", "tiny\n");
}

#[test]
fn an_image_is_imported_listed_shown_and_removed() {
    let caller = Caller::new();
    tiny_root(&caller);
    let done = caller.call(&["image", "import", "tiny", "root"]).exits(0);
    assert!(done.stdout.contains("holds    5 B in 2 entries"), "{done:#?}");
    let done = caller.call(&["image", "list"]).exits(0);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with("tiny"), "{done:#?}");
    let done = caller.call(&["image", "show", "tiny"]).exits(0);
    assert!(done.stdout.contains("from     directory\n"), "{done:#?}");
    caller.call(&["image", "remove", "tiny"]).exits(0).prints("");
    assert_eq!(caller.call(&["image", "list"]).exits(0).stdout.lines().count(), 1);
}

#[test]
fn json_holds_what_is_known_as_data() {
    let caller = Caller::new();
    tiny_root(&caller);
    let imported = caller.call(&["image", "import", "--json", "tiny", "root"]).exits(0).json();
    assert_eq!(imported["name"], "tiny");
    assert_eq!(imported["source"]["kind"], "directory");
    assert_eq!((&imported["entries"], &imported["bytes"]), (&2.into(), &5.into()));
    assert_eq!(imported["skipped"]["devices"], 0);
    assert!(imported["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(caller.call(&["image", "show", "tiny", "--json"]).exits(0).json(), imported);
    let list = caller.call(&["image", "list", "--json"]).exits(0).json();
    assert_eq!(list, serde_json::json!({"images": [imported], "unusable": []}));
    let removed = caller.call(&["image", "remove", "--json", "tiny"]).exits(0).json();
    assert_eq!(removed, serde_json::json!({"removed": "tiny"}));
}

#[test]
fn an_archive_comes_from_standard_input() {
    let caller = Caller::new();
    tiny_root(&caller);
    let mut tar = Command::new("tar");
    let archive =
        tar.args(["-cz", "-C"]).arg(caller.path("root")).arg(".").stderr(Stdio::inherit()).output().unwrap();
    let call = ["image", "import", "--json", "tiny", "-"];
    let imported = caller.call_with_input(&call, &archive.stdout).exits(0).json();
    assert_eq!(imported["source"]["kind"], "archive");
    assert_eq!(imported["entries"], 2);
}

#[test]
fn a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced() {
    let caller = Caller::new();
    tiny_root(&caller);
    let import = ["image", "import", "tiny", "root"];
    caller.call(&import).exits(0);
    caller.call(&import).exits(125).says("there is an image `tiny` already");
    let report = caller.call(&["image", "import", "--json", "tiny", "root"]).exits(125).json();
    assert_eq!(report["error"]["code"], "already-exists");
    caller.call(&["image", "import", "--replace", "tiny", "root"]).exits(0);
}

#[test]
fn a_source_that_is_bad_is_refused_with_its_reason() {
    let caller = Caller::new();
    caller.file("text", "x".repeat(1024));
    let done = caller.call(&["image", "import", "x", "text"]).exits(125);
    done.says("failed to import text: failed to read the archive: it is no tar archive, or is damaged");
    caller.call(&["image", "import", "x", "nowhere"]).exits(125).says("failed to open nowhere: No such file");
    let report = caller.call(&["image", "import", "--json", "x", "text"]).exits(125).json();
    assert_eq!(report["error"]["code"], "invalid-source");
    assert_eq!(caller.call(&["image", "list", "--json"]).json()["images"], serde_json::json!([]));
}

#[test]
fn a_configured_limit_holds() {
    let caller = Caller::new();
    tiny_root(&caller);
    caller.file("mimobox.toml", "[images]\nentries = 1\n");
    let report = caller.call(&["image", "import", "--json", "tiny", "root"]).exits(125).json();
    assert_eq!(report["error"]["code"], "limit-reached");
    assert!(report["error"]["message"].as_str().unwrap().contains("more than 1 files"), "{report}");
}

#[test]
fn what_is_no_name_is_a_wrong_call() {
    let caller = Caller::new();
    for name in ["../x", ".x", "a/b", ""] {
        caller.call(&["image", "show", name]).exits(125).says("no name of an image");
    }
    caller.call(&["image", "show", "host"]).exits(125).says("the machine's own root");
}

#[test]
fn an_image_that_is_not_there_is_said_with_where_to_look() {
    let caller = Caller::new();
    for command in ["show", "remove"] {
        caller
            .call(&["image", command, "x"])
            .exits(125)
            .says("there is no image `x`: `mimobox-host image list`");
    }
    let report = caller.call(&["image", "show", "--json", "x"]).exits(125).json();
    assert_eq!(report["error"]["code"], "not-found");
}

#[test]
fn a_sandbox_of_an_image_that_is_not_there_is_refused() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    for name in ["nowhere", "../outside"] {
        let done = caller.call(&["exec", "--image", name, "--", "true"]).exits(125).prints("");
        done.says(&format!(
            "there is no image `{name}`: `mimobox-host image list` shows those that there are"
        ));
    }
}

#[test]
fn a_program_runs_in_an_image() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let root = root(&caller).to_str().unwrap().to_owned();
    caller.call(&["image", "import", "small", &root]).exits(0);
    caller.call(&["exec", "--image", "small", "--", "/bin/hello"]).exits(0).prints("hello from the image\n");
    caller.call(&["exec", "--image", "small", "--", "/usr/bin/env"]).exits(127);
    let call = ["exec", "--image", "small", "--user", "guest", "--cwd", "/srv", "--", "/bin/hello", "where"];
    caller.call(&call).exits(0).prints("/srv as 7\n");
}

#[test]
fn an_image_in_use_is_not_removed() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let root = root(&caller).to_str().unwrap().to_owned();
    // Reads its input to the end: sleeps until it is told to go.
    caller.file(
        "hello.c",
        "#include <stdio.h>\nint main(void) { puts(\"up\"); fflush(stdout); return getchar() != EOF; }\n",
    );
    let program = caller.path("root/bin/hello");
    let compiled =
        Command::new("cc").args(["-static", "-o"]).arg(program).arg(caller.path("hello.c")).status();
    assert!(compiled.unwrap().success());
    caller.call(&["image", "import", "small", &root]).exits(0);
    let mut child = caller.start(&["exec", "--image", "small", "--", "/bin/hello"], Stdio::piped());
    let mut line = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    caller.call(&["image", "remove", "small"]).exits(125).says("in use by a sandbox");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    caller.call(&["image", "remove", "small"]).exits(0);
}

#[test]
fn labels_are_in_the_log() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    caller.call(&["exec", "--label", "team=blue", "--label", "run=7", "--", "true"]).exits(0);
    let labels = serde_json::json!([["team", "blue"], ["run", "7"]]);
    let entries = caller.audit();
    assert!(entries[0].to_string().contains(&labels.to_string()), "{}", entries[0]);
}
