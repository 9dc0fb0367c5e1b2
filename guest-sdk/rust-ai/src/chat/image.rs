//! Images that a model is shown: proved to be some before anything is paid.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::{self, Blob};

use super::Chat;
use crate::media;

/// What a provider takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In bytes.
    pub(super) size: u64,
    /// Whether it takes GIF; all take PNG, JPEG and WebP.
    pub(super) gif: bool,
    /// Whether it takes PDF where it takes images.
    pub(super) pdf: bool,
}

/// The kinds that models are shown.
const KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

pub(super) const PDF: &str = "application/pdf";

/// The most bytes of a PDF: those who take one have a limit on the whole request.
const PDF_SIZE: u64 = 20 << 20;

/// An image, as providers take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Of its bytes, whatever its blob says.
    pub(super) media_type: &'static str,
    /// Base64.
    pub(super) data: String,
}

impl Image {
    /// `data:image/png;base64,...`
    pub(super) fn url(&self) -> String {
        ["data:", self.media_type, ";base64,", &self.data].concat()
    }
}

impl Chat<'_> {
    /// Reads the images that a step was given.
    ///
    /// # Errors
    ///
    /// When one is no image, or not as the provider takes it: the input is at fault.
    pub fn images(&self, blobs: &[Blob]) -> Result<Vec<Image>, StepError> {
        blobs.iter().enumerate().map(|(index, blob)| self.image(index, blob)).collect()
    }

    /// Reads a document that a step was given: an image, or a PDF where the provider takes those.
    ///
    /// # Errors
    ///
    /// When it is neither, or not as the provider takes it: the input is at fault.
    pub fn document(&self, index: usize, blob: &Blob) -> Result<Image, StepError> {
        if !self.dialect.images().pdf || !is_pdf(blob)? {
            return self.image(index, blob);
        }
        Ok(Image { media_type: PDF, data: STANDARD.encode(blob.bytes(PDF_SIZE)?) })
    }

    fn image(&self, index: usize, blob: &Blob) -> Result<Image, StepError> {
        let limits = self.dialect.images();
        let provider = self.endpoint.provider();
        let fault = |what: &str| {
            let message = format!("`images/{index}` ({}, {}) {what}", blob.media_type, blob.digest);
            StepError::invalid_input(message)
        };
        if blob.size > limits.size {
            let what = format!("has {} bytes: {provider} takes {} at most", blob.size, limits.size);
            return Err(fault(&what));
        }
        let bytes = blob.bytes(limits.size)?;
        let kind = media::image_kind(&bytes).filter(|kind| KINDS.contains(kind));
        let media_type = kind.ok_or_else(|| {
            fault("is no image: its bytes do not begin as those of PNG, JPEG, GIF or WebP do")
        })?;
        if media_type == "image/gif" && !limits.gif {
            return Err(fault(&format!("is a GIF, which {provider} does not take: PNG, JPEG and WebP are")));
        }
        Ok(Image { media_type, data: STANDARD.encode(bytes) })
    }
}

fn is_pdf(blob: &Blob) -> Result<bool, StepError> {
    let mut head = Vec::new();
    blob::open(blob)?.take(5).read_to_end(&mut head).map_err(blob::Error::from)?;
    Ok(head == b"%PDF-")
}
