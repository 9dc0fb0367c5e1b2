//! Bytes that are no text: what they are by their beginning, and how they get out of base64 and into blobs.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::{self, Blob};

use crate::{Endpoint, failure};

/// As much as any of the kinds below is known by.
const HEAD: usize = 16;
/// As far from the end as an image's end is looked for.
const TAIL: u64 = 1024;
/// How much of something else an error shows.
const SHOWN: usize = 500;
/// Decoded at once: of base64 four characters are three bytes.
const PIECE: usize = 64 << 10;

/// The media type of an image, by its first bytes.
pub(crate) fn image_kind(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Some("image/avif"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e', b'i', b'c' | b'x', ..] => Some("image/heic"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some("image/tiff"),
        _ => None,
    }
}

/// An image that a step was given, with the media type that it really has: proved to be one before anything is sent. `place` is where it stands in the input.
///
/// # Errors
///
/// When it is none: the input is at fault.
pub fn given_image(place: &str, image: &Blob) -> Result<Blob, StepError> {
    match image_kind(&head(image, HEAD)?) {
        Some(kind) => Ok(of_kind(image, kind.into())),
        None => Err(none_given(
            place,
            image,
            "image: they do not begin as those of PNG, JPEG, WebP, GIF, AVIF, HEIC or TIFF do",
        )),
    }
}

/// Sound that a step was given, or a video's, in the same way. What has nothing to be known by, such as PCM, is taken for what it is called if
/// `by_name` allows it, unless it is text.
pub(crate) fn given_sound(place: &str, sound: &Blob, by_name: bool) -> Result<Blob, StepError> {
    let head = head(sound, HEAD)?;
    let called = sound.kind();
    let is_video = called.starts_with("video/");
    let is_text = head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    match sound_kind(&head) {
        // Those that hold both begin alike.
        Some(kind) if is_video => Ok(of_kind(sound, kind.replacen("audio", "video", 1))),
        Some(kind) => Ok(of_kind(sound, kind.into())),
        None if by_name && !is_text && (is_video || called.starts_with("audio/")) => Ok(sound.clone()),
        None => {
            let why = "sound: they do not begin as those of MP3, MP4, M4A, WAV, WebM, Ogg, FLAC or AAC do";
            let mend = if by_name { "; sound of another kind must be called `audio/...`" } else { "" };
            Err(none_given(place, sound, &[why, mend].concat()))
        }
    }
}

fn of_kind(blob: &Blob, kind: String) -> Blob {
    let mut blob = blob.clone();
    blob.media_type = kind;
    blob
}

fn none_given(place: &str, blob: &Blob, why: &str) -> StepError {
    let Blob { media_type, digest, .. } = blob;
    StepError::invalid_input(format!("the bytes of `{place}` ({media_type}, {digest}) are no {why}"))
}

/// The media type of sound, by its first bytes. PCM has none to be known by.
pub(crate) fn sound_kind(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("audio/wav"),
        [b'f', b'L', b'a', b'C', ..] => Some("audio/flac"),
        [b'O', b'g', b'g', b'S', ..] => Some("audio/ogg"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("audio/webm"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("audio/mp4"),
        [b'I', b'D', b'3', ..] => Some("audio/mpeg"),
        // AAC's and MP3's frames begin with the same eleven bits; AAC has no layer.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some("audio/aac"),
        [0xff, second, ..] if second & 0xe0 == 0xe0 => Some("audio/mpeg"),
        _ => None,
    }
}

/// A blob that is an image, with the media type that it really has.
pub(crate) fn checked_image(endpoint: &Endpoint<'_>, mut image: Blob) -> Result<Blob, StepError> {
    let head = head(&image, HEAD)?;
    let Some(kind) = image_kind(&head) else { return Err(something_else(endpoint, &image, "image")?) };
    if !ends_as(kind, &head, &image)? {
        return Err(endpoint.misfit(&format!("{} bytes of an image ({kind}) that breaks off", image.size)));
    }
    image.media_type = kind.into();
    Ok(image)
}

/// Whether an image has an end, where its kind has one to be known by. Some programs write a little behind it.
fn ends_as(kind: &str, head: &[u8], image: &Blob) -> Result<bool, StepError> {
    let ends_with = |mark: &[u8]| -> Result<bool, StepError> {
        Ok(tail(image)?.windows(mark.len()).any(|bytes| bytes == mark))
    };
    match (kind, head) {
        ("image/png", _) => ends_with(b"IEND"),
        ("image/jpeg", _) => ends_with(&[0xff, 0xd9]),
        ("image/webp", [_, _, _, _, a, b, c, d, ..]) => {
            Ok(u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 8 <= image.size)
        }
        _ => Ok(true),
    }
}

/// A blob that is sound. PCM is taken for what it is called, unless it is called text or JSON.
pub(crate) fn checked_sound(
    endpoint: &Endpoint<'_>,
    mut sound: Blob,
    media_type: &str,
) -> Result<Blob, StepError> {
    let kind = sound.kind();
    let is_text = kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml");
    let is_pcm = media_type.starts_with("audio/L16");
    if sound.size == 0 || is_text || (!is_pcm && sound_kind(&head(&sound, HEAD)?).is_none()) {
        return Err(something_else(endpoint, &sound, "sound")?);
    }
    sound.media_type = media_type.into();
    Ok(sound)
}

/// What came in place of an image or sound: an error inside a good answer, a page, nothing.
fn something_else(endpoint: &Endpoint<'_>, blob: &Blob, expected: &str) -> Result<StepError, StepError> {
    let beginning = head(blob, SHOWN)?;
    if let Some(answer) = failure::parsed(&beginning)
        && failure::error_inside(&answer).is_some()
    {
        return Ok(endpoint.inside(&answer));
    }
    let shown = match std::str::from_utf8(&beginning) {
        Ok(text) => text.to_owned(),
        Err(_) => beginning.iter().take(HEAD).map(|byte| format!("{byte:02x}")).collect(),
    };
    let Blob { size, media_type, .. } = blob;
    Ok(endpoint.misfit(&format!("{size} bytes of {media_type} that are no {expected}: {shown}")))
}

fn head(blob: &Blob, most: usize) -> Result<Vec<u8>, StepError> {
    let mut head = Vec::new();
    blob::open(blob)?.take(most as u64).read_to_end(&mut head).map_err(blob::Error::from)?;
    Ok(head)
}

fn tail(blob: &Blob) -> Result<Vec<u8>, StepError> {
    let mut tail = Vec::new();
    let from = blob.size.saturating_sub(TAIL);
    blob::open_at(blob, from)?.read_to_end(&mut tail).map_err(blob::Error::from)?;
    Ok(tail)
}

/// What base64 stands for.
pub(crate) fn decoded(endpoint: &Endpoint<'_>, text: &str) -> Result<Vec<u8>, StepError> {
    STANDARD.decode(text.trim()).map_err(|error| endpoint.misfit(&format!("it is no base64: {error}")))
}

/// A blob of what base64 stands for, piece by piece: its bytes are never in memory as a whole.
pub(crate) fn kept(endpoint: &Endpoint<'_>, text: &str, media_type: &str) -> Result<Blob, StepError> {
    let mut writer = blob::create()?;
    for piece in text.trim().as_bytes().chunks(PIECE) {
        let bytes =
            STANDARD.decode(piece).map_err(|error| endpoint.misfit(&format!("it is no base64: {error}")))?;
        writer.write_all(&bytes).map_err(blob::Error::from)?;
    }
    Ok(writer.finish(media_type)?)
}

/// The same of an image.
pub(crate) fn kept_image(endpoint: &Endpoint<'_>, text: &str) -> Result<Blob, StepError> {
    checked_image(endpoint, kept(endpoint, text, "image/png")?)
}

/// A blob as base64, for APIs that want it within their JSON.
pub(crate) fn encoded(blob: &Blob, most: u64) -> Result<String, StepError> {
    Ok(STANDARD.encode(blob.bytes(most)?))
}

/// The same as a `data:` URL.
pub(crate) fn data_url(blob: &Blob, most: u64) -> Result<String, StepError> {
    Ok(format!("data:{};base64,{}", blob.kind(), encoded(blob, most)?))
}

/// What a file of this kind is called: many APIs go by the ending of its name alone.
pub(crate) fn file_name(blob: &Blob, otherwise: &str) -> String {
    match &blob.name {
        Some(name) if name.contains('.') => name.clone(),
        name => format!("{}.{}", name.as_deref().unwrap_or(otherwise), ending(&blob.kind())),
    }
}

fn ending(kind: &str) -> &str {
    match kind {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" => "m4a",
        "video/mp4" => "mp4",
        "audio/ogg" | "audio/opus" => "ogg",
        "audio/webm" | "video/webm" => "webm",
        "audio/flac" | "audio/x-flac" => "flac",
        "image/jpeg" | "image/jpg" => "jpg",
        _ => kind.rsplit('/').next().unwrap_or("bin"),
    }
}
