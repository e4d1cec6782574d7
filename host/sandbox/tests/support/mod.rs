//! A host of fakes: policies that say what a test tells them, a backend that counts, an audit log in memory.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mimobox_sandbox::fake::{self, AuditLog};
use mimobox_sandbox::{
    AuditFailure, AuditSink, Effect, Entry, Event, Manager, Narrowing, Parts, Policy, PolicyFailure, Result,
    Run, Subject, Verdict,
};
use parking_lot::Mutex;

mod counting;
mod scripted;

pub use counting::Counting;
pub use scripted::Scripted;

pub struct Host {
    pub manager: Manager,
    pub audit: AuditLog,
    pub backend: Arc<Counting>,
}

impl Host {
    pub fn with(policies: Vec<Told>) -> Self {
        let audit = AuditLog::default();
        Self { audit: audit.clone(), ..Self::with_audit(policies, Arc::new(audit)) }
    }

    pub fn with_audit(policies: Vec<Told>, audit: Arc<dyn AuditSink>) -> Self {
        let backend = Arc::new(Counting::default());
        let manager = Manager::new(Parts {
            ceiling: fake::ceiling(),
            policies: policies.into_iter().map(|policy| Arc::new(policy) as Arc<dyn Policy>).collect(),
            policy_deadline: Duration::from_secs(1),
            audit,
            snapshots: None,
            backends: vec![backend.clone()],
            name: "test".into(),
        });
        Self { manager, audit: AuditLog::default(), backend }
    }

    pub fn run(&self) -> Run {
        self.manager.begin(Subject { component: "test".into(), ..Subject::default() })
    }
}

/// None where it never answers.
type Answer = Box<dyn Fn(&Event) -> Option<Result<Verdict, String>> + Send + Sync>;

/// A policy that answers as told.
pub struct Told {
    name: &'static str,
    answer: Answer,
    pub asked: Arc<Mutex<u32>>,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl Told {
    pub fn new(
        name: &'static str,
        answer: impl Fn(&Event) -> Result<Verdict, String> + Send + Sync + 'static,
    ) -> Self {
        Self::perhaps(name, move |event| Some(answer(event)))
    }

    pub fn silent(name: &'static str) -> Self {
        Self::perhaps(name, |_| None)
    }

    pub fn perhaps(
        name: &'static str,
        answer: impl Fn(&Event) -> Option<Result<Verdict, String>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, answer: Box::new(answer), asked: Arc::default(), events: Arc::default() }
    }
}

#[async_trait]
impl Policy for Told {
    fn name(&self) -> &str {
        self.name
    }

    async fn decide(&self, event: &Event) -> Result<Verdict, PolicyFailure> {
        *self.asked.lock() += 1;
        self.events.lock().push(event.clone());
        match (self.answer)(event) {
            Some(answer) => answer.map_err(|cause| PolicyFailure { policy: self.name.into(), cause }),
            None => std::future::pending().await,
        }
    }
}

fn verdict(effect: Effect, rule: &str) -> Verdict {
    Verdict { effect, rule: rule.into(), reason: "told so".into() }
}

pub fn allow() -> Verdict {
    verdict(Effect::Allow, "allow")
}

pub fn deny(rule: &str) -> Verdict {
    verdict(Effect::Deny, rule)
}

pub fn narrow(narrowing: Narrowing) -> Verdict {
    verdict(Effect::Narrow(narrowing), "narrow")
}

/// An audit log of the JSON that a file would get.
#[derive(Clone, Default)]
pub struct JsonLog(Arc<Mutex<String>>);

impl JsonLog {
    pub fn text(&self) -> String {
        self.0.lock().clone()
    }
}

impl AuditSink for JsonLog {
    fn record(&self, entry: &Entry<'_>) -> Result<(), AuditFailure> {
        let line = serde_json::to_string(entry).map_err(|error| AuditFailure(Box::new(error)))?;
        self.0.lock().push_str(&line);
        Ok(())
    }
}
