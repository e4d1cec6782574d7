//! A policy that is a component: asked in a fresh instance each time, metered, and given nothing but the event.

mod convert;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mimobox_sandbox::{Event, Policy, PolicyFailure, Verdict};
use tokio::time::timeout;
use wasmtime::component::Linker;
use wasmtime::{Store, Trap};

use crate::bindings::policy::PolicyPre;
use crate::bindings::policy::exports::mimobox::policy::decision as wit;
use crate::component::Component;
use crate::deadline::{self, TimeIsUp};
use crate::engine::Engine;
use crate::escaped::Escaped;
use crate::limiter::Limiter;
use crate::prepare::{self, PrepareError};
use crate::request::{Purpose, Request};

/// Bytes that a verdict may have, whole.
const VERDICT_BYTES: usize = 256 * 1024;
/// Handles in one decision. A policy has nothing that it could hold one of.
const HANDLES: usize = 16;

/// A component of world `policy`.
pub struct PolicyGuest {
    name: Arc<str>,
    engine: Engine,
    pre: PolicyPre<Limiter>,
    limits: PolicyLimits,
}

/// What one decision may use.
#[derive(Clone, Copy, Debug)]
pub struct PolicyLimits {
    /// From the question to the verdict.
    pub deadline: Duration,
    /// Units of wasmtime's fuel: about one per WebAssembly instruction. The same on every machine, unlike the deadline.
    pub fuel: u64,
    /// Bytes of all its linear memories and tables together.
    pub memory: u64,
}

impl Default for PolicyLimits {
    /// 50 ms, 100 million instructions, 64 MiB.
    fn default() -> Self {
        Self { deadline: Duration::from_millis(50), fuel: 100_000_000, memory: 64 * 1024 * 1024 }
    }
}

impl std::fmt::Debug for PolicyGuest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyGuest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a policy that could be asked gave no verdict.
#[derive(Debug, thiserror::Error)]
enum DecisionError {
    #[error("missed its deadline of {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("used up its {0} units of fuel")]
    OutOfFuel(u64),
    #[error("ran out of its {most} bytes of memory: {trap}")]
    OutOfMemory { most: u64, trap: String },
    #[error("trapped: {0}")]
    Trapped(String),
    #[error("gave an absurd verdict: {0}")]
    Absurd(#[from] convert::AbsurdVerdict),
}

impl PolicyGuest {
    /// Compiles `component` (or finds it in the cache) and checks that it is a policy and imports nothing.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn new(engine: &Engine, component: &Component, limits: PolicyLimits) -> Result<Self, PrepareError> {
        let compiled = prepare::compile(engine.policies(), component)?;
        let request = Request::read(&compiled);
        let Some((Purpose::Policy, export)) = request.entry() else { return Err(PrepareError::NotAPolicy) };
        let imports: Vec<_> = request.import_names().map(str::to_owned).collect();
        if !imports.is_empty() {
            return Err(PrepareError::PolicyImports(imports));
        }
        let pre = prepare::check_type::<(&wit::Event,), (wit::Verdict,)>(&compiled, export, "decide")
            .and_then(|()| Linker::new(engine.policies()).instantiate_pre(&compiled))
            .and_then(PolicyPre::new)
            .map_err(PrepareError::wrong_type)?;
        Ok(Self { name: component.shared_name(), engine: engine.clone(), pre, limits })
    }

    async fn ask(&self, event: &Event) -> Result<Verdict, DecisionError> {
        let PolicyLimits { deadline, fuel, memory } = self.limits;
        let _place = self.engine.decision_permit().await;
        let mut store = Store::new(self.engine.policies(), Limiter::new(memory));
        store.limiter(|limiter| limiter);
        store.set_hostcall_fuel(VERDICT_BYTES);
        store.set_max_component_handles(HANDLES);
        match self.call(&mut store, event).await {
            Ok(verdict) => Ok(verdict.try_into()?),
            Err(error) if error.is::<TimeIsUp>() => Err(DecisionError::TimedOut(deadline)),
            Err(error) if error.downcast_ref() == Some(&Trap::OutOfFuel) => {
                Err(DecisionError::OutOfFuel(fuel))
            }
            Err(error) => {
                let trap = Escaped { text: &error.root_cause().to_string(), most: 512 }.to_string();
                if store.data().exhausted() {
                    Err(DecisionError::OutOfMemory { most: memory, trap })
                } else {
                    Err(DecisionError::Trapped(trap))
                }
            }
        }
    }

    async fn call(&self, store: &mut Store<Limiter>, event: &Event) -> wasmtime::Result<wit::Verdict> {
        store.set_fuel(self.limits.fuel)?;
        deadline::enforce(store, self.limits.deadline);
        let policy = self.pre.instantiate_async(&mut *store).await?;
        policy.mimobox_policy_decision().call_decide(store, &event.into()).await
    }
}

#[async_trait]
impl Policy for PolicyGuest {
    fn name(&self) -> &str {
        &self.name
    }

    async fn decide(&self, event: &Event) -> Result<Verdict, PolicyFailure> {
        let deadline = self.limits.deadline;
        let answer =
            timeout(deadline, self.ask(event)).await.unwrap_or(Err(DecisionError::TimedOut(deadline)));
        answer.map_err(|error| PolicyFailure { policy: self.name.to_string(), cause: error.to_string() })
    }
}
