//! `progress`: news for whoever watches the run.

use wasmtime::component::{HasSelf, Linker};

use super::parse_json;
use crate::bindings::stepwell::step::progress::{Host, add_to_linker};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    fn emit(&mut self, chunk: String) -> wasmtime::Result<()> {
        self.enter("progress.emit")?;
        self.meter.sent.take(chunk.len() as u64)?;
        let chunk = parse_json("a progress chunk", &chunk)?;
        if self.chunks >= self.heard.chunks {
            self.host.progress(chunk);
        }
        self.chunks += 1;
        Ok(())
    }
}
