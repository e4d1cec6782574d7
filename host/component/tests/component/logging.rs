//! What a component says to the operator's log.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::handmade;
use crate::stand::{Stand, runner};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Everything that is logged on this thread from now on.
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Those of components.
    fn of_components(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        text.lines().filter(|line| line.contains(" component: ")).map(|line| line.trim().to_owned()).collect()
    }
}

#[tokio::test]
async fn each_level_arrives_as_it_is_under_the_components_name() {
    let (lines, _guard) = Lines::listen();
    let ended = Stand::new().orchestrate(&["log"]).await;
    assert_eq!(ended.printed(), "");
    let expected = [
        "TRACE component: at trace component=\"guest\"",
        "DEBUG component: at debug component=\"guest\"",
        "INFO component: at info component=\"guest\"",
        "WARN component: at warn component=\"guest\"",
        "ERROR component: at error component=\"guest\"",
        "WARN component: one line\\nERROR another line component=\"guest\" fields=answer=42",
    ];
    assert_eq!(lines.of_components(), expected);
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_off() {
    let (lines, _guard) = Lines::listen();
    let imports = r#"(import "mimobox:host/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;
    let body = "(local $left i32)
        (local.set $left (i32.const 100000))
        (loop
          (call $log (i32.const 2) (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 0))
          (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0)";
    let flooding = runner(&handmade::orchestrator(imports, "", body)).unwrap();
    assert_eq!(Stand::new().run(&flooding, &[]).await.code.unwrap(), 0);
    let arrived = lines.of_components().len();
    assert!((200..10_000).contains(&arrived), "{arrived} lines arrived");
}
