//! A host of fakes: policies that say what a test tells them, a backend that counts, an audit log in memory.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mimobox_sandbox::fake::{self, AuditLog, FakeBackend};
use mimobox_sandbox::{
    AuditFailure, AuditSink, Authorized, Backend, CommandGrant, Created, Effect, Entry, Error, Event,
    Instance, Isolation, Manager, Narrowing, Parts, Policy, PolicyFailure, Result, Run, SandboxGrant,
    SandboxId, Spawned, Subject, Usage, Verdict,
};
use parking_lot::Mutex;

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
            backends: vec![backend.clone()],
            name: "test".into(),
        });
        Self { manager, audit: AuditLog::default(), backend }
    }

    pub fn run(&self) -> Run {
        self.manager.begin(Subject { component: "test".into(), ..Subject::default() })
    }
}

type Answer = Box<dyn Fn(&Event) -> Result<Verdict, String> + Send + Sync>;

/// A policy that answers as told.
pub struct Told {
    name: &'static str,
    answer: Option<Answer>,
    pub asked: Arc<Mutex<u32>>,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl Told {
    pub fn new(
        name: &'static str,
        answer: impl Fn(&Event) -> Result<Verdict, String> + Send + Sync + 'static,
    ) -> Self {
        Self { name, answer: Some(Box::new(answer)), asked: Arc::default(), events: Arc::default() }
    }

    pub fn silent(name: &'static str) -> Self {
        Self { name, answer: None, asked: Arc::default(), events: Arc::default() }
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
        match &self.answer {
            Some(answer) => answer(event).map_err(|cause| PolicyFailure { policy: self.name.into(), cause }),
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

/// The fake backend, counting what reaches it.
#[derive(Default)]
pub struct Counting {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    created: AtomicU32,
    spawned: AtomicU32,
    failing: AtomicBool,
    on_spawn: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl Counting {
    pub fn created(&self) -> u32 {
        self.counts.created.load(Ordering::Relaxed)
    }

    pub fn spawned(&self) -> u32 {
        self.counts.spawned.load(Ordering::Relaxed)
    }

    pub fn fail_spawns(&self) {
        self.counts.failing.store(true, Ordering::Relaxed);
    }

    pub fn on_spawn(&self, check: Arc<dyn Fn() + Send + Sync>) {
        *self.counts.on_spawn.lock() = Some(check);
    }
}

#[async_trait]
impl Backend for Counting {
    fn isolation(&self) -> Isolation {
        FakeBackend.isolation()
    }

    fn default_image(&self) -> &str {
        "host"
    }

    async fn create(&self, id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        let created = FakeBackend.create(id, grant).await?;
        self.counts.created.fetch_add(1, Ordering::Relaxed);
        let instance = Arc::new(CountingInstance { inner: created.instance, counts: self.counts.clone() });
        Ok(Created { instance, ..created })
    }
}

struct CountingInstance {
    inner: Arc<dyn Instance>,
    counts: Arc<Counts>,
}

#[async_trait]
impl Instance for CountingInstance {
    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        if self.counts.failing.load(Ordering::Relaxed) {
            return Err(Error::failed(&std::io::Error::other("told to fail")));
        }
        self.counts.spawned.fetch_add(1, Ordering::Relaxed);
        if let Some(check) = self.counts.on_spawn.lock().clone() {
            check();
        }
        // As a real one it takes a while, in which its caller may go away.
        tokio::task::yield_now().await;
        self.inner.spawn(grant).await
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn pause(&self) -> Result<()> {
        self.inner.pause().await
    }

    async fn resume(&self) -> Result<()> {
        self.inner.resume().await
    }

    async fn ended(&self) {
        self.inner.ended().await;
    }

    async fn destroy(&self) -> Result<()> {
        self.inner.destroy().await
    }
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
