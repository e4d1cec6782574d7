//! Ordinary programs run as they do outside.

use mimobox_sandbox::ExitStatus;

use crate::harness::{said, sh, with_backend};

#[test]
fn c_is_compiled_and_run() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let script = "printf '#include <stdio.h>\\n#include <pthread.h>\\n\
                      void *f(void *x) { puts(\"thread\"); return x; }\\n\
                      int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); return 0; }\\n' \
                      > t.c && gcc -O1 -pthread -o t t.c && ./t";
        assert_eq!(said(&sandbox, script).await, "thread");
    });
}

#[test]
fn scripting_languages_run() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(said(&sandbox, "perl -e 'print 6*7'").await, "42");
        assert_eq!(
            said(&sandbox, "printf '3\\n1\\n2\\n' | sort | awk '{ s = s $1 } END { print s }'").await,
            "123"
        );
        for (program, script) in [
            (
                "python3",
                "/usr/bin/python3 -c 'import threading, tempfile, subprocess, socket, ssl, random; \
               t = threading.Thread(target=print, args=(42,)); t.start(); t.join(); \
               print(subprocess.check_output([\"echo\", \"child\"]).decode().strip()); \
               s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); c = socket.create_connection(s.getsockname()); print(\"net\")'",
            ),
            (
                "node",
                "/usr/bin/node -e 'setTimeout(() => console.log(42), 1); \
               require(\"fs\").readFile(\"/etc/hostname\", () => console.log(\"child\")); \
               require(\"net\").createServer().listen(0, \"127.0.0.1\", function () { this.close(() => console.log(\"net\")) })'",
            ),
        ] {
            if sh(&sandbox, &format!("test -x /usr/bin/{program}")).await.status != ExitStatus::Exited(0) {
                println!("skipped: no {program} here");
                continue;
            }
            let mut lines: Vec<_> = said(&sandbox, script).await.lines().map(str::to_owned).collect();
            lines.sort();
            assert_eq!(lines, ["42", "child", "net"], "{program}");
        }
    });
}
