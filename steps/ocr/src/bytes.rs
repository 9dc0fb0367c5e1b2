//! Documents for services that take them as text: proved to be some before anything is paid.

use data_encoding::BASE64;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

const MAX_BYTES: u64 = 20 << 20;

/// A document as it is sent.
pub(crate) struct Sent {
    /// By its bytes.
    pub(crate) media_type: &'static str,
    pub(crate) base64: String,
}

/// Reads a document.
pub(crate) fn read(index: usize, blob: &Blob, takes_pdf: bool) -> Result<Sent, StepError> {
    let bytes = blob.bytes(MAX_BYTES)?;
    let wrong =
        |why: &str| StepError::invalid_input(format!("/documents/{index} ({}): {why}", blob.media_type));
    let media_type = kind(&bytes).ok_or_else(|| {
        wrong("its bytes do not begin as those of PNG, JPEG, WebP, GIF or PDF do: it is no image that can be read")
    })?;
    if media_type == "application/pdf" && !takes_pdf {
        return Err(wrong(
            "it is a PDF, which this provider does not take: use `mistral-ocr`, `gemini` or `anthropic`",
        ));
    }
    Ok(Sent { media_type, base64: BASE64.encode(&bytes) })
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        _ => None,
    }
}
