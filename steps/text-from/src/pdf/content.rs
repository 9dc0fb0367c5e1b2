//! What is followed to read the pages of a PDF: their streams, and the fonts that they share. A drawing may use others, each as often as it
//! likes, and many pages the same: each use is counted, so that a small file cannot say more than the config allows.

use std::borrow::Cow;

use hayro_syntax::object::dict::keys::CONTENTS;
use hayro_syntax::object::{Array, MaybeRef, Object, Stream};
use hayro_syntax::page::Page;
use stepwell_sdk::StepError;

use crate::config::Config;
use crate::problem;

use super::fonts::Fonts;

/// The content of one document.
pub(super) struct Content<'a> {
    pub(super) fonts: Fonts<'a>,
    /// Characters that nobody can tell.
    pub(super) unreadable: usize,
    /// Bytes that may still be followed, of how many.
    left: u64,
    most: u64,
}

impl Content<'_> {
    pub(super) fn new(config: &Config) -> Self {
        let most = config.max_unpacked_bytes;
        Self { fonts: Fonts::default(), unreadable: 0, left: most, most }
    }

    /// What a page draws: one stream, or several that are one.
    pub(super) fn of_page(&mut self, page: &Page<'_>) -> Result<Vec<u8>, StepError> {
        if let Some(stream) = page.raw().get::<Stream<'_>>(CONTENTS) {
            return Ok(self.of_stream(&stream)?.into_owned());
        }
        let mut content = Vec::new();
        let Some(streams) = page.raw().get::<Array<'_>>(CONTENTS) else { return Ok(content) };
        for stream in streams.raw_iter() {
            let stream = match stream {
                MaybeRef::Ref(id) => page.xref().get::<Stream<'_>>(id.into()),
                MaybeRef::NotRef(object) => Object::into_stream(object),
            };
            if let Some(stream) = stream {
                content.extend_from_slice(&self.of_stream(&stream)?);
                // What ends a stream ends a word.
                content.push(b' ');
            }
        }
        Ok(content)
    }

    /// What a stream holds; nothing if it is broken.
    pub(super) fn of_stream<'s>(&mut self, stream: &Stream<'s>) -> Result<Cow<'s, [u8]>, StepError> {
        let content = stream.decoded_data().unwrap_or_default();
        self.spend(content.len().max(stream.raw_data().len()))?;
        Ok(content)
    }

    /// Counts what is followed.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), StepError> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| {
            problem::limit("the pages of the PDF draw too many bytes", "max_unpacked_bytes", self.most)
        })?;
        Ok(())
    }
}
