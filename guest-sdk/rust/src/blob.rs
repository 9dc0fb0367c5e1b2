//! Values that are not JSON: images, sound, documents.
//!
//! A [`Blob`] names one. It travels in JSON from step to step, and its bytes do not: a step that wants them opens the blob, and one that
//! makes some creates one. Neither is an effect. A step may read the blobs that its input or its config names, those that its requests
//! were answered with, and those that it wrote itself.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use stepwell_sdk::blob::{self, Blob};
//! use stepwell_sdk::{StepError, testing::FakeHost};
//!
//! fn shout(text: &Blob) -> Result<Blob, StepError> {
//!     let mut lines = String::new();
//!     blob::open(text)?.read_to_string(&mut lines).map_err(blob::Error::from)?;
//!     let mut louder = blob::create()?;
//!     louder.write_all(lines.to_uppercase().as_bytes()).map_err(blob::Error::from)?;
//!     Ok(louder.finish("text/plain")?)
//! }
//!
//! let host = FakeHost::new();
//! let loud = shout(&host.put_blob("text/plain", "quiet")).unwrap();
//! assert_eq!(host.blob(&loud), b"QUIET");
//! ```

use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Fault, StepError, host};

/// How much is asked of the host at once by those who read without saying how much.
const PIECE: u32 = 64 << 10;

/// Names a blob, in a step's input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Blob {
    /// Of its bytes: `sha256:` and 64 lower-case hexadecimal digits.
    #[serde(rename = "$blob")]
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// `image/png`, ...
    pub media_type: String,
    /// What people call it: a file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Blob {
    pub(crate) fn new(digest: String, size: u64, media_type: String) -> Self {
        Self { digest, size, media_type, name: None }
    }

    /// The same, called so.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The media type without its parameters, in lower case: `text/plain` of `Text/plain; charset=utf-8`.
    #[must_use]
    pub fn kind(&self) -> String {
        self.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// All of its bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has more than `most` bytes: those would have to fit into the step's memory.
    pub fn bytes(&self, most: u64) -> Result<Vec<u8>, Error> {
        let mut reader = open(self)?;
        if reader.size() > most {
            let message =
                format!("the blob {} has {} bytes, and {most} are the most", self.digest, reader.size());
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(reader.size()).unwrap_or_default());
        while let Some(piece) = reader.next(PIECE)? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// Makes a blob of these bytes.
///
/// # Errors
///
/// When it is too large, or the host cannot keep it.
pub fn put(media_type: &str, bytes: &[u8]) -> Result<Blob, Error> {
    let writer = create()?;
    host::write_blob(&writer.0, bytes)?;
    writer.finish(media_type)
}

/// Opens a blob.
///
/// # Errors
///
/// When there is none, or the step may not read it.
pub fn open(blob: &Blob) -> Result<Reader, Error> {
    open_at(blob, 0)
}

/// Opens a blob at an offset in bytes.
///
/// # Errors
///
/// When there is none, or the step may not read it.
pub fn open_at(blob: &Blob, offset: u64) -> Result<Reader, Error> {
    host::open_blob(&blob.digest, offset).map(|reader| Reader { reader, rest: Vec::new(), read: 0 })
}

/// Begins a blob.
///
/// # Errors
///
/// When the host cannot keep one.
pub fn create() -> Result<Writer, Error> {
    host::create_blob().map(Writer)
}

/// Reads one blob from the front.
#[derive(Debug)]
pub struct Reader {
    reader: host::BlobReader,
    /// What came and was not read yet, from `read` on.
    rest: Vec<u8>,
    read: usize,
}

impl Reader {
    /// Of the whole blob, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        host::blob_size(&self.reader)
    }

    fn next(&mut self, most: u32) -> Result<Option<Vec<u8>>, Error> {
        host::read_blob(&self.reader, most).map(|piece| Some(piece).filter(|piece| !piece.is_empty()))
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.rest.len() {
            let most = u32::try_from(buffer.len()).unwrap_or(u32::MAX).max(PIECE);
            self.rest = self.next(most)?.unwrap_or_default();
            self.read = 0;
        }
        let piece = &self.rest[self.read..];
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        self.read += length;
        Ok(length)
    }
}

/// Writes one blob. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
#[must_use = "a blob is kept once it is finished"]
pub struct Writer(host::BlobWriter);

impl Writer {
    /// Ends the blob.
    ///
    /// # Errors
    ///
    /// When the host cannot keep it.
    pub fn finish(self, media_type: &str) -> Result<Blob, Error> {
        host::finish_blob(self.0, media_type)
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        host::write_blob(&self.0, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such blob.
    Unknown,
    /// The step may not read it.
    Denied,
    /// It is larger than it may be.
    TooLarge,
    /// The blob store failed; it may work again later.
    Unavailable,
    /// Its bytes are not what was asked for: text that is no UTF-8, a file that ends too soon.
    Content,
}

/// Why a blob could not be read or written.
pub type Error = Fault<ErrorKind>;

/// What [`Reader`] and [`Writer`] make of their errors, undone.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(other) => Self::new(ErrorKind::Content, other.to_string()),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Unknown => io::ErrorKind::NotFound,
            ErrorKind::Denied => io::ErrorKind::PermissionDenied,
            ErrorKind::TooLarge | ErrorKind::Content => io::ErrorKind::InvalidData,
            ErrorKind::Unavailable => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Unknown | ErrorKind::Content => Self::invalid_input(error.message),
            ErrorKind::Denied | ErrorKind::TooLarge => Self::permanent(error.message),
            ErrorKind::Unavailable => Self::retryable(error.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use serde_json::json;

    use super::*;
    use crate::testing::FakeHost;

    #[test]
    fn a_blob_is_read_in_whatever_pieces_its_reader_likes() {
        let host = FakeHost::new();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let blob = host.put_blob("application/octet-stream", bytes.clone());
        assert_eq!(blob.bytes(200_000).unwrap(), bytes);

        let mut some = [0; 7];
        let mut reader = open_at(&blob, 100).unwrap();
        reader.read_exact(&mut some).unwrap();
        assert_eq!(some, bytes[100..107]);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes[107..]);
    }

    #[test]
    fn what_does_not_fit_is_not_read() {
        let host = FakeHost::new();
        let error = host.put_blob("text/plain", "abc").bytes(2).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(error.message.contains("has 3 bytes, and 2 are the most"), "{error}");
    }

    #[test]
    fn a_blob_in_json_says_what_it_is() {
        let host = FakeHost::new();
        let blob = host.put_blob("Text/CSV; charset=utf-8", "a,b").named("list.csv");
        assert_eq!(blob.kind(), "text/csv");
        let value = serde_json::to_value(&blob).unwrap();
        let expected = json!({"$blob": blob.digest, "size": 3, "media_type": "Text/CSV; charset=utf-8", "name": "list.csv"});
        assert_eq!(value, expected);
        assert_eq!(serde_json::from_value::<Blob>(value).unwrap(), blob);
    }

    #[test]
    fn an_error_goes_through_io_unchanged() {
        let unknown = Blob::new("sha256:00".into(), 1, "text/plain".into());
        let _host = FakeHost::new();
        let error = open(&unknown).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown);
        assert_eq!(Error::from(io::Error::from(error.clone())), error);

        let not_text = String::from_utf8(vec![0xff]).map_err(io::Error::other).unwrap_err();
        assert_eq!(Error::from(not_text).kind, ErrorKind::Content);
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_nothing() {
        let host = FakeHost::new();
        let mut writer = create().unwrap();
        writer.write_all(b"half").unwrap();
        drop(writer);
        assert_eq!(host.blob_count(), 0);
    }
}
