//! What a sandbox is to be.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mimobox_sandbox::{Access, AuditSink, Ceiling, Isolation, Limits, Mount, Policy, Spec};

use crate::error::{Error, Result};
use crate::host::{Host, HostBuilder, LazyHost};

/// What a sandbox is to be. Sandboxes of one configuration (clones are the same) have one host.
///
/// ```
/// # use std::time::Duration;
/// # fn main() -> Result<(), mimobox::Error> {
/// let config = mimobox::Config::builder()
///     .memory(256 << 20)
///     .cpu(500)
///     .processes(32)
///     .timeout(Duration::from_secs(10))
///     .environment("LANG", "C.UTF-8")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    spec: Spec,
    timeout: Option<Duration>,
    host: HostChoice,
}

/// Who makes the sandboxes of a configuration.
#[derive(Clone, Debug, Default)]
enum HostChoice {
    /// The program's shared one.
    #[default]
    Shared,
    Given(Host),
    /// One of its own, started at the first need.
    Own(Arc<LazyHost>),
}

impl Config {
    /// Says what the sandbox is to be, piece by piece. What is left out is the host's to say.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// What is asked of the host.
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Of each of its commands.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The host of its sandboxes; started now if it was not yet.
    pub(crate) async fn host(&self) -> Result<Host> {
        match &self.host {
            HostChoice::Shared => Host::shared().await,
            HostChoice::Given(host) => Ok(host.clone()),
            HostChoice::Own(own) => own.get().await,
        }
    }
}

/// Makes a [`Config`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ConfigBuilder {
    spec: Spec,
    timeout: Option<Duration>,
    given: Option<Host>,
    own: Option<HostBuilder>,
    allowed_http_domains: Vec<String>,
}

impl ConfigBuilder {
    /// The kind of box. [`Isolation::Os`] where nothing is said. [`Isolation::MicroVm`] takes `/dev/kvm`, and three files beside
    /// the program or named by `$MIMOBOX_VMM`, `$MIMOBOX_KERNEL` and `$MIMOBOX_BASE_IMAGE`; its first sandbox of a size boots a
    /// machine, which later ones start from.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.spec.isolation = Some(isolation);
        self
    }

    /// Name of the image. This machine's programs, read-only (`host`), where nothing is said.
    pub fn image(mut self, name: impl Into<String>) -> Self {
        self.spec.image = Some(name.into());
        self
    }

    /// Bytes of memory, its files among them. 512 MiB where nothing is said.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.limits().memory = Some(bytes);
        self
    }

    /// Thousandths of one core. 1000 where nothing is said.
    pub fn cpu(mut self, thousandths: u32) -> Self {
        self.limits().cpu = Some(thousandths);
        self
    }

    /// Processes and threads at once. 128 where nothing is said.
    pub fn processes(mut self, count: u32) -> Self {
        self.limits().processes = Some(count);
        self
    }

    /// Bytes that it may write to its own file system. 256 MiB where nothing is said.
    pub fn disk(mut self, bytes: u64) -> Self {
        self.limits().disk = Some(bytes);
        self
    }

    /// Of each command that has none of its own: it is killed after this long. 10 minutes where nothing is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Destroyed after this long, whatever runs in it. One hour where nothing is said.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.spec.lifetime = Some(lifetime);
        self
    }

    /// Sets a variable for every command; a later one of the same name wins.
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.environment.push((name.into(), value.into()));
        self
    }

    /// Attaches a label, for policies and the audit log.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.labels.push((key.into(), value.into()));
        self
    }

    /// Declares a directory of this machine under a name. [`mount`](Self::mount) puts it into the sandbox.
    pub fn volume(self, name: impl Into<String>, directory: impl Into<PathBuf>, access: Access) -> Self {
        self.of_own_host(|host| host.volume(name, directory, access))
    }

    /// Mounts a volume at `target`, an absolute path in the sandbox.
    pub fn mount(mut self, volume: impl Into<String>, target: impl Into<String>, access: Access) -> Self {
        let read_only = access == Access::ReadOnly;
        self.spec.mounts.push(Mount { volume: volume.into(), target: target.into(), read_only });
        self
    }

    /// Domains that programs in the sandbox may reach over HTTP. There is no way out of a sandbox in this version, so that
    /// [`build`](Self::build) refuses any.
    pub fn allowed_http_domains<I: IntoIterator<Item = S>, S: Into<String>>(mut self, domains: I) -> Self {
        self.allowed_http_domains.extend(domains.into_iter().map(Into::into));
        self
    }

    /// One more policy that must agree to whatever is done; asked after those before it.
    pub fn policy(self, policy: impl Policy + 'static) -> Self {
        self.of_own_host(|host| host.policy(policy))
    }

    /// Where every request is written down before it has an effect. See [`HostBuilder::audit`].
    pub fn audit(self, sink: impl AuditSink + 'static) -> Self {
        self.of_own_host(|host| host.audit(sink))
    }

    /// The agent's program itself. See [`HostBuilder::agent`].
    pub fn agent(self, program: impl Into<Arc<[u8]>>) -> Self {
        self.of_own_host(|host| host.agent(program))
    }

    /// The folder that snapshots are kept in. See [`HostBuilder::snapshots`].
    pub fn snapshots(self, folder: impl Into<PathBuf>) -> Self {
        self.of_own_host(|host| host.snapshots(folder))
    }

    /// What may be asked for at most. See [`HostBuilder::ceiling`].
    pub fn ceiling(self, ceiling: Ceiling) -> Self {
        self.of_own_host(|host| host.ceiling(ceiling))
    }

    /// The host that makes the sandboxes, in place of the program's shared one.
    pub fn host(mut self, host: &Host) -> Self {
        self.given = Some(host.clone());
        self
    }

    /// Checks what can be checked without a host.
    ///
    /// # Errors
    /// `Unsupported`: HTTP domains. `InvalidArgument`: a host was given, and beside it a volume, policy, audit log, agent,
    /// folder of snapshots or ceiling, which are a host's own.
    pub fn build(self) -> Result<Config> {
        let Self { spec, timeout, given, own, allowed_http_domains } = self;
        if let Some(domain) = allowed_http_domains.first() {
            return Err(Error::Unsupported(format!("HTTP to {domain:?}: no sandbox has a way out yet")));
        }
        let host = match (given, own) {
            (None, None) => HostChoice::Shared,
            (Some(host), None) => HostChoice::Given(host),
            (None, Some(builder)) => HostChoice::Own(Arc::new(LazyHost::new(builder))),
            (Some(_), Some(_)) => {
                return Err(Error::InvalidArgument(
                    "host: it has its own volumes, policies, audit log, agent, snapshots and ceiling"
                        .to_owned(),
                ));
            }
        };
        Ok(Config { spec, timeout, host })
    }

    fn limits(&mut self) -> &mut Limits {
        &mut self.spec.limits
    }

    fn of_own_host(mut self, change: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        self.own = Some(change(self.own.take().unwrap_or_default()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_could_not_be_held_to_is_refused() {
        let refused = Config::builder().allowed_http_domains(["example.com"]).build();
        assert_eq!(refused.unwrap_err().code(), "unsupported");
    }
}
