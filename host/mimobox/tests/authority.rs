//! The program as operator: its policies and its audit log.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use async_trait::async_trait;
use mimobox::{AuditFile, Config, Effect, Error, Event, Operation, Policy, PolicyFailure, Sandbox, Verdict};
use mimobox_harness::can_sandbox;
use mimobox_sandbox::fake::AuditLog;

/// Lets no command run that speaks of `curl`.
struct NoCurl;

#[async_trait]
impl Policy for NoCurl {
    fn name(&self) -> &str {
        "no-curl"
    }

    async fn decide(&self, event: &Event) -> Result<Verdict, PolicyFailure> {
        let denied = match &event.operation {
            Operation::Execute(execution) => execution.arguments.iter().any(|word| word.contains("curl")),
            _ => false,
        };
        let effect = if denied { Effect::Deny } else { Effect::Allow };
        Ok(Verdict { effect, rule: "curl".to_owned(), reason: "nothing is downloaded".to_owned() })
    }
}

#[tokio::test]
async fn a_policy_in_rust_decides_about_every_command() {
    if !can_sandbox() {
        return;
    }
    let config = Config::builder().policy(NoCurl).audit(AuditLog::default()).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    assert!(sandbox.execute("true").await.unwrap().success());
    let Err(Error::Denied(denial)) = sandbox.execute("curl example.com").await else { panic!("allowed") };
    assert_eq!((denial.rule.as_str(), denial.reason.as_str()), ("curl", "nothing is downloaded"));
}

#[tokio::test]
async fn what_cannot_be_written_down_does_not_happen() {
    if !can_sandbox() {
        return;
    }
    let log = AuditLog::default();
    let config = Config::builder().audit(log.clone()).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    log.fill_up();
    let refused = sandbox.execute("touch /tmp/happened").await.unwrap_err();
    assert_eq!(refused.code(), "failed");
}

#[tokio::test]
async fn an_audit_file_has_the_request_and_its_end() {
    if !can_sandbox() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let config = Config::builder().audit(AuditFile::at(&file, "my-service").unwrap()).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    sandbox.execute("exit 3").await.unwrap();
    sandbox.destroy().await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["host"] == "my-service"));
    let ended = |line: &serde_json::Value| line["entry"] == "finished" && line["status"]["exited"] == 3;
    assert!(lines.iter().any(ended), "{text}");
}
