//! Standard output and error of one guest: lines of the attempt's log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use stepwell_core::attempt::LogLevel;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::MAX_CALL_BYTES;
use crate::log::{LineWriter, Log};

/// Standard output or error: lines of the attempt's log.
#[derive(Clone)]
pub(super) struct LogStream(Arc<Mutex<LineWriter>>);

impl LogStream {
    pub(super) fn new(log: &Arc<Log>, level: LogLevel, stream: &'static str) -> Self {
        Self(Arc::new(Mutex::new(LineWriter::new(Arc::clone(log), level, stream))))
    }

    /// Where what was written is cut into lines.
    pub(super) fn writer(&self) -> MutexGuard<'_, LineWriter> {
        // Bytes that a panic left behind are still bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.1 and 0.3 ask for it, and neither is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.writer().write(&bytes).map_err(|failure| StreamError::Trap(failure.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_CALL_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}
