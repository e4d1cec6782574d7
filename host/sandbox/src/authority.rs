//! Asks every policy, writes the answer to the audit log, and only then lets an operation happen.
//!
//! ```text
//! ceiling ─► policy 1 ─► policy 2 ─► … ─► audit.requested ─► Authorized<grant> ─► effect ─► audit.finished
//!    └──────────┴── deny ─┴──────────────► audit.requested ─► Error::Denied
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::audit::{AuditSink, Bytes, Change, Decision, Entry, RuleSpoke};
use crate::backend::{ExitStatus, SandboxId};
use crate::enforcement::Enforcement;
use crate::error::{Error, Result};
use crate::grant::{Authorized, SandboxGrant};
use crate::narrow::Unenforceable;
use crate::policy::{Effect, Event, Narrowing, Operation, Policy};

/// The rule by which a policy that gives no verdict refuses.
const POLICY_FAILED: &str = "policy-failed";

/// The policies in their order, and the audit log.
pub(crate) struct Authority {
    policies: Vec<Arc<dyn Policy>>,
    /// A policy runner keeps its own deadline; this one holds whatever the runner does.
    policy_deadline: Duration,
    audit: Arc<dyn AuditSink>,
    operations: AtomicU64,
}

/// An operation that was allowed and is now under way: it owes the audit log its end.
#[must_use]
pub(crate) struct Underway {
    operation: u64,
    since: Instant,
}

impl Authority {
    pub(crate) fn new(
        policies: Vec<Arc<dyn Policy>>,
        policy_deadline: Duration,
        audit: Arc<dyn AuditSink>,
    ) -> Self {
        Self { policies, policy_deadline, audit, operations: AtomicU64::new(1) }
    }

    /// Narrows what the ceiling left by each policy in order; the first denial ends it. The audit log has the request and
    /// the decision before this returns.
    ///
    /// # Errors
    /// `Denied`, by the ceiling or a policy. `Failed`: the audit log could not be written.
    pub(crate) async fn authorize<G>(
        &self,
        event: Event,
        ceiling: Result<G>,
        narrow: impl Fn(&mut G, &Narrowing) -> Result<(), Unenforceable>,
    ) -> Result<(Authorized<G>, Underway)> {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        let mut rules = Vec::new();
        let outcome = match ceiling {
            Ok(grant) => self.ask(&event, grant, narrow, &mut rules).await,
            Err(error) => {
                if let Error::Denied(denial) = &error {
                    rules.push(RuleSpoke {
                        by: "ceiling".into(),
                        rule: denial.rule.clone(),
                        reason: denial.reason.clone(),
                    });
                }
                Err(error)
            }
        };
        let effect = match &outcome {
            Err(_) => "deny",
            Ok((_, true)) => "narrow",
            Ok((_, false)) => "allow",
        };
        self.record(&Entry::Requested {
            time: event.time,
            operation,
            subject: &event.subject,
            request: &event.operation,
            decision: &Decision { effect, rules },
        })?;
        let (grant, _) = outcome?;
        Ok((Authorized::new(grant), Underway { operation, since: Instant::now() }))
    }

    /// The grant, and whether a policy narrowed it.
    async fn ask<G>(
        &self,
        event: &Event,
        mut grant: G,
        narrow: impl Fn(&mut G, &Narrowing) -> Result<(), Unenforceable>,
        rules: &mut Vec<RuleSpoke>,
    ) -> Result<(G, bool)> {
        let mut narrowed = false;
        for policy in &self.policies {
            let verdict = match tokio::time::timeout(self.policy_deadline, policy.decide(event)).await {
                Ok(Ok(verdict)) => verdict,
                Ok(Err(failure)) => {
                    tracing::warn!(policy = policy.name(), cause = %failure.cause, "a policy gave no verdict");
                    return Err(refuse(rules, policy.name(), POLICY_FAILED, "the policy gave no verdict"));
                }
                Err(_) => {
                    return Err(refuse(
                        rules,
                        policy.name(),
                        POLICY_FAILED,
                        "the policy missed its deadline",
                    ));
                }
            };
            match &verdict.effect {
                Effect::Deny => return Err(refuse(rules, policy.name(), &verdict.rule, &verdict.reason)),
                Effect::Allow => {}
                Effect::Narrow(narrowing) => {
                    if let Err(unenforceable) = narrow(&mut grant, narrowing) {
                        return Err(refuse(rules, policy.name(), POLICY_FAILED, &unenforceable.to_string()));
                    }
                    narrowed = true;
                }
            }
            rules.push(RuleSpoke {
                by: policy.name().to_owned(),
                rule: verdict.rule,
                reason: verdict.reason,
            });
        }
        Ok((grant, narrowed))
    }

    /// The sandbox that an operation made.
    pub(crate) fn created(
        &self,
        underway: &Underway,
        sandbox: &SandboxId,
        grant: &SandboxGrant,
        enforcement: &[Enforcement],
    ) -> Result<()> {
        self.record(&Entry::Created {
            time: SystemTime::now(),
            operation: underway.operation,
            sandbox,
            grant,
            enforcement,
        })
    }

    /// How an operation ended.
    pub(crate) fn finished(
        &self,
        underway: &Underway,
        end: &Result<Option<ExitStatus>>,
        bytes: Option<Bytes>,
    ) -> Result<()> {
        self.record(&Entry::Finished {
            time: SystemTime::now(),
            operation: underway.operation,
            status: end.as_ref().ok().copied().flatten(),
            error: end.as_ref().err().map(Error::code),
            bytes,
            duration: underway.since.elapsed(),
        })
    }

    /// Something that happens to a sandbox without a policy's word. Written before it does.
    pub(crate) fn changed(&self, sandbox: &SandboxId, change: Change) -> Result<()> {
        self.record(&Entry::Changed { time: SystemTime::now(), sandbox, change })
    }

    fn record(&self, entry: &Entry<'_>) -> Result<()> {
        self.audit.record(entry).map_err(|failure| Error::failed(&failure))
    }
}

fn refuse(rules: &mut Vec<RuleSpoke>, by: &str, rule: &str, reason: &str) -> Error {
    rules.push(RuleSpoke { by: by.to_owned(), rule: rule.to_owned(), reason: reason.to_owned() });
    Error::denied(rule, reason)
}

/// An event about `operation`, now.
pub(crate) fn event(
    subject: crate::policy::Subject,
    operation: Operation,
    history: crate::policy::History,
) -> Event {
    Event { subject, operation, time: SystemTime::now(), history }
}
