//! Files within JSON, and the key by which a provider knows an e-mail again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stepwell_sdk::{StepError, context};

use crate::mail::{File, Mail};

/// Of all files together, where they go within JSON: what every provider takes, and what fits into the step's memory several times over.
const MOST_BYTES: u64 = 10 << 20;

/// Each file in base64.
pub(crate) fn encoded(mail: &Mail) -> Result<Vec<(&File, String)>, StepError> {
    let size = mail.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.blob.size));
    if size > MOST_BYTES {
        return Err(StepError::permanent(format!(
            "the attachments have {size} bytes, and {MOST_BYTES} are the most: send a link instead"
        )));
    }
    let encode = |file| Ok((file, STANDARD.encode(File::bytes(file)?)));
    mail.files.iter().map(encode).collect()
}

impl File {
    fn bytes(&self) -> Result<Vec<u8>, StepError> {
        Ok(self.blob.bytes(MOST_BYTES)?)
    }
}

/// The same for every attempt that sends the same e-mail for the same node of the same run, so that a retry whose first answer was lost does
/// not send it twice.
pub(crate) fn idempotency_key(body: &[u8]) -> String {
    let attempt = context::current();
    // `<run>.<node><part>.<attempt>`, without the attempt.
    let node = attempt.idempotency_key.rsplit_once('.').map_or("", |(node, _)| node);
    format!("{}.{:016x}.{:016x}", attempt.run_id, fnv(node.as_bytes()), fnv(body))
}

/// FNV-1a: tells nodes of a run apart, and e-mails of a node, which nobody has a reason to forge.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
