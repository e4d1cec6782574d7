//! An operation on files that does as a test tells it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use mimobox_sandbox::{Error, FileTask, Result, Work};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::sync::watch;

/// Clones are the same operation. It goes on until it is told otherwise, and obeys a stop.
#[derive(Clone)]
pub struct Scripted(Arc<Script>);

struct Script {
    stops: AtomicU32,
    obeys: AtomicBool,
    is_gone: AtomicBool,
    saw_end_of_input: AtomicBool,
    end: watch::Sender<Option<Result<()>>>,
    pipe: Mutex<Option<DuplexStream>>,
}

impl Scripted {
    pub fn new() -> Self {
        Self(Arc::new(Script {
            stops: AtomicU32::new(0),
            obeys: AtomicBool::new(true),
            is_gone: AtomicBool::new(false),
            saw_end_of_input: AtomicBool::new(false),
            end: watch::Sender::new(None),
            pipe: Mutex::new(None),
        }))
    }

    /// From now on a stop has no effect.
    pub fn disobey(&self) {
        self.0.obeys.store(false, Ordering::Relaxed);
    }

    /// From now on nobody can stop it or see its end, as where a sandbox's agent is gone; it goes on for all that.
    pub fn lose(&self) {
        self.lose_unnoticed();
        self.0.end.send_replace(Some(Err(Error::Gone)));
    }

    /// As above, but that comes out only when it is told to stop.
    pub fn lose_unnoticed(&self) {
        self.0.is_gone.store(true, Ordering::Relaxed);
    }

    /// It ends, and its pipe with it.
    pub fn end(&self, end: Result<()>) {
        self.0.pipe.lock().take();
        self.0.end.send_replace(Some(end));
    }

    /// How often it was told to stop.
    pub fn stops(&self) -> u32 {
        self.0.stops.load(Ordering::Relaxed)
    }

    /// Whether its input had come to its end before it stopped, or has by now.
    pub fn saw_end_of_input(&self) -> bool {
        self.look_for_end_of_input();
        self.0.saw_end_of_input.load(Ordering::Relaxed)
    }

    /// What a backend gives for it.
    pub fn task<S>(&self, stream: impl FnOnce(DuplexStream) -> S) -> FileTask<S> {
        let (host, own) = duplex(16);
        *self.0.pipe.lock() = Some(own);
        FileTask { stream: stream(host), work: Arc::new(self.clone()) }
    }

    fn look_for_end_of_input(&self) {
        let mut pipe = self.0.pipe.lock();
        let mut chunk = [0; 64];
        while let Some(pipe) = pipe.as_mut() {
            match Pin::new(pipe).read(&mut chunk).now_or_never() {
                Some(Ok(1..)) => {}
                Some(_) => return self.0.saw_end_of_input.store(true, Ordering::Relaxed),
                None => return,
            }
        }
    }
}

#[async_trait]
impl Work for Scripted {
    async fn ended(&self) -> Result<()> {
        let mut end = self.0.end.subscribe();
        let end = end.wait_for(Option::is_some).await.unwrap();
        end.clone().unwrap()
    }

    async fn stop(&self) -> Result<()> {
        self.look_for_end_of_input();
        self.0.stops.fetch_add(1, Ordering::Relaxed);
        if self.0.is_gone.load(Ordering::Relaxed) {
            self.lose();
            return Err(Error::Gone);
        }
        if self.0.obeys.load(Ordering::Relaxed) {
            self.end(Err(Error::Gone));
        }
        Ok(())
    }
}
