//! Wasmtime, set up once for the whole process: two engines, the clock that stops what spins, and the code cache.
//!
//! Two, because policies are metered and orchestrators are not. Fuel makes a decision's cost exact and the same on every
//! machine. Code that counts it is slower: by 18 % in a prime sieve, by 17 % in calls alone, measured against code that only
//! watches the clock. A long-lived orchestrator would pay that for nothing, since its deadline stops it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::{self, CacheError};

/// How often running code is asked whether its time is up. Also the longest that a spinning guest holds on to its thread.
const TICK: Duration = Duration::from_millis(5);

/// Runs of orchestrators at once; more wait for their turn.
const RUNS: u32 = 64;
/// Decisions at once; more wait for their turn.
const DECISIONS: u32 = 64;

/// What one instance of a component may hold. The engines that JavaScript and Python guests bring along need all of this.
mod instance {
    /// Bytes of wasmtime's own state of a component, and of one core instance in it.
    pub(super) const STATE: usize = 4 * 1024 * 1024;
    /// Core instances in one component.
    pub(super) const CORE_INSTANCES: u32 = 64;
    /// Elements of one table.
    pub(super) const TABLE_ELEMENTS: usize = 100_000;
    pub(super) const MEMORIES: u32 = 4;
    pub(super) const TABLES: u32 = 16;
    /// Stacks for the calls that one component has in flight.
    pub(super) const STACKS: u32 = 16;
}

/// How a linear memory is made fresh for the next instance. Pages that stay mapped need not be faulted in again, which is
/// most of what a short call costs.
#[derive(Clone, Copy)]
enum Renewal {
    /// The kernel says which pages were touched (PAGEMAP_SCAN(2const), Linux 6.7), and they are filled again.
    Scan,
    /// The beginning is filled again whether it was touched or not, and the rest unmapped.
    Fill,
}

impl Renewal {
    /// Bytes of each memory that are filled again. A guest of Rust has a megabyte of stack before its data: where filling is
    /// blind it is not worth to reach past that.
    fn bytes(self) -> usize {
        match self {
            Self::Scan => 2 * 1024 * 1024,
            Self::Fill => 256 * 1024,
        }
    }
}

/// Bytes of each table that are filled again.
const KEEP_TABLE: usize = 16 * 1024;

/// How an [`Engine`] is set up.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// Where compiled code is kept between runs of the host, in a folder `compiled` of its own; nowhere if none. Made with
    /// mode 0700; a folder that others can write to is refused.
    pub cache: Option<PathBuf>,
}

/// Compiles and runs components. Clones are the same engine; one is enough for a process.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    orchestrators: wasmtime::Engine,
    policies: wasmtime::Engine,
    runs: Semaphore,
    decisions: Semaphore,
    /// Dropping it stops the clock.
    _clock: SyncSender<()>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Compiled code cannot be kept where it should be.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The machine lacks what wasmtime needs, such as address space.
    #[error("failed to set up WebAssembly: {cause}")]
    Wasmtime {
        /// What wasmtime said.
        cause: wasmtime::Error,
    },
    /// There is no thread for the clock.
    #[error("failed to start the thread that stops what spins")]
    Clock(#[source] std::io::Error),
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets it up.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let cache = config.cache.as_deref().map(cache::open).transpose()?;
        let engine = |components, metered| {
            let build = |renewal| {
                let mut config = configuration(components, renewal);
                config.consume_fuel(metered).cache(cache.clone());
                wasmtime::Engine::new(&config)
            };
            // An older kernel is no error; whatever else is wrong is still wrong the second time.
            let built = build(Renewal::Scan).or_else(|_| build(Renewal::Fill));
            built.map_err(|cause| EngineError::Wasmtime { cause })
        };
        let orchestrators = engine(RUNS, false)?;
        let policies = engine(DECISIONS, true)?;
        let clock = start_clock([&orchestrators, &policies].map(wasmtime::Engine::weak))
            .map_err(EngineError::Clock)?;
        Ok(Self(Arc::new(Inner {
            orchestrators,
            policies,
            runs: Semaphore::new(RUNS as usize),
            decisions: Semaphore::new(DECISIONS as usize),
            _clock: clock,
        })))
    }

    /// For what runs long and is stopped by its deadline alone.
    pub(crate) fn orchestrators(&self) -> &wasmtime::Engine {
        &self.0.orchestrators
    }

    /// For what is metered.
    pub(crate) fn policies(&self) -> &wasmtime::Engine {
        &self.0.policies
    }

    /// A place among the runs that the pool has room for.
    pub(crate) async fn run_permit(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.0.runs.acquire().await
    }

    /// A place among the decisions that the pool has room for.
    pub(crate) async fn decision_permit(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.0.decisions.acquire().await
    }
}

/// What both engines share. `components` is how many are live at once.
fn configuration(components: u32, renewal: Renewal) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(components)
        .total_core_instances(components * instance::CORE_INSTANCES)
        .total_memories(components * instance::MEMORIES)
        .total_tables(components * instance::TABLES)
        .total_stacks(components * instance::STACKS)
        .max_component_instance_size(instance::STATE)
        .max_core_instance_size(instance::STATE)
        .max_core_instances_per_component(instance::CORE_INSTANCES)
        .max_memories_per_component(instance::MEMORIES)
        .max_tables_per_component(instance::TABLES)
        .table_elements(instance::TABLE_ELEMENTS)
        .linear_memory_keep_resident(renewal.bytes())
        .pagemap_scan(match renewal {
            Renewal::Scan => Enabled::Yes,
            Renewal::Fill => Enabled::No,
        })
        .table_keep_resident(KEEP_TABLE);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .parallel_compilation(true);
    config
}

/// Advances the engines' epochs until they or the returned sender are dropped.
fn start_clock(engines: [wasmtime::EngineWeak; 2]) -> std::io::Result<SyncSender<()>> {
    let (stop, stopped) = mpsc::sync_channel(0);
    thread::Builder::new().name("wasm-clock".into()).spawn(move || {
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            for engine in &engines {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        }
    })?;
    Ok(stop)
}
