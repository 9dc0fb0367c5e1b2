//! The images of a report, by the names that its text has for them.

use std::collections::BTreeMap;

use krilla::image::Image;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

/// The most bytes of one image.
const MAX_BYTES: u64 = 8 << 20;

/// The most pixels of one image: each takes four bytes of the step's memory.
const MAX_PIXELS: u64 = 8_000_000;

/// One image.
pub(crate) struct Picture {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: &'static str,
    pub(crate) image: Image,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Images(BTreeMap<String, Picture>);

impl Images {
    /// Reads them.
    pub(crate) fn read(blobs: &BTreeMap<String, Blob>) -> Result<Self, StepError> {
        let read =
            blobs.iter().map(|(name, blob)| Ok((name.clone(), picture(name, blob.bytes(MAX_BYTES)?)?)));
        Ok(Self(read.collect::<Result<_, StepError>>()?))
    }

    /// The image that the text has this name for.
    pub(crate) fn get(&self, name: &str) -> Option<&Picture> {
        self.0.get(name)
    }
}

fn picture(name: &str, bytes: Vec<u8>) -> Result<Picture, StepError> {
    let wrong = |why: &str| StepError::invalid_input(format!("/images/{name}: {why}"));
    let (media_type, pixels) = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => ("image/png", pixels_of_png(&bytes)),
        [0xff, 0xd8, 0xff, ..] => ("image/jpeg", Some(0)),
        _ => return Err(wrong("the blob is neither a PNG nor a JPEG")),
    };
    if pixels.ok_or_else(|| wrong("the PNG ends too soon"))? > MAX_PIXELS {
        return Err(wrong(&format!("the image has more than {MAX_PIXELS} pixels, which are the most")));
    }
    let data = bytes.clone().into();
    let image =
        if media_type == "image/png" { Image::from_png(data, true) } else { Image::from_jpeg(data, true) };
    let image = image.map_err(|error| wrong(&format!("the image is broken: {error}")))?;
    let (width, height) = image.size();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(wrong(&format!(
            "the image has {width} x {height} pixels, and {MAX_PIXELS} are the most"
        )));
    }
    Ok(Picture { bytes, media_type, image })
}

/// What its head says, before anything is unpacked.
fn pixels_of_png(bytes: &[u8]) -> Option<u64> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some(u64::from(number(16)?) * u64::from(number(20)?))
}
