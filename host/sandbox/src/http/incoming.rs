//! What the guest calls: an answer whose body comes piece by piece.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Resource;

use super::message::HttpResponse;
use super::stream::Stream;
use crate::bindings::stepwell::step::http as wit;
use crate::guest::GuestState;

/// A guest that was given so many pieces lives at least so long for each of them before it makes room: another in its place must be given
/// them all again, and that is to cost little beside the time that it has then.
const LIFE_PER_PIECE: Duration = Duration::from_millis(10);

/// An answer whose head has come.
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub struct Incoming {
    head: HttpResponse,
    stream: Arc<Stream>,
    /// How many pieces the guest was given.
    given: usize,
}

impl Incoming {
    pub(super) fn new(head: HttpResponse, stream: Arc<Stream>) -> Self {
        Self { head, stream, given: 0 }
    }
}

impl wit::HostIncoming for GuestState {
    async fn status(&mut self, incoming: Resource<Incoming>) -> wasmtime::Result<u16> {
        self.enter("http.incoming.status")?;
        Ok(self.table.get(&incoming)?.head.status)
    }

    async fn headers(&mut self, incoming: Resource<Incoming>) -> wasmtime::Result<Vec<(String, String)>> {
        self.enter("http.incoming.headers")?;
        Ok(self.table.get(&incoming)?.head.headers.clone())
    }

    async fn url(&mut self, incoming: Resource<Incoming>) -> wasmtime::Result<String> {
        self.enter("http.incoming.url")?;
        Ok(self.table.get(&incoming)?.head.url.clone())
    }

    async fn read(
        &mut self,
        incoming: Resource<Incoming>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wit::HttpError>> {
        self.enter("http.incoming.read")?;
        let answer = self.table.get_mut(&incoming)?;
        let (stream, number) = (Arc::clone(&answer.stream), answer.given);
        let patience = life_of(number).saturating_sub(self.began.elapsed());
        let piece = self.errand.run(patience, async move { stream.piece(number).await }).await?;
        if let Ok(Some(_)) = &piece {
            self.table.get_mut(&incoming)?.given += 1;
        }
        Ok(piece.map(|piece| piece.map(Vec::from)).map_err(wit::HttpError::from))
    }

    async fn drop(&mut self, incoming: Resource<Incoming>) -> wasmtime::Result<()> {
        Ok(self.table.delete(incoming)?.stream.give_up()?)
    }
}

fn life_of(pieces: usize) -> Duration {
    LIFE_PER_PIECE.saturating_mul(u32::try_from(pieces).unwrap_or(u32::MAX))
}
