//! References in what comes from outside: each must be one, and of a blob that is there.

use serde_json::Value;
use stepwell_core::blob::{self, BlobRef, Named};
use stepwell_core::failure::Failure;
use stepwell_core::id::TenantId;
use stepwell_core::mistake::Mistake;
use stepwell_core::schema::SchemaViolation;
use stepwell_store::StoreError;

use super::BlobFault;
use crate::attempt::internal;
use crate::{Shared, StartError};

/// How a reference becomes good.
const UPLOAD: &str =
    "upload it first (`POST /v1/blobs`, `stepwell blob put FILE`), and use the reference that comes back";

impl Shared {
    /// Refuses an input with a reference to a blob that is not there. Those that are stay, for long enough to be named by a run.
    pub(crate) async fn check_blobs_of_input(
        &self,
        tenant: &TenantId,
        input: &Value,
    ) -> Result<(), StartError> {
        let wrong = self.wrong_references(tenant, input).await.map_err(StoreError::from)?;
        if wrong.is_empty() { Ok(()) } else { Err(StartError::InvalidInput(wrong)) }
    }

    /// The mistakes of a definition: its references to blobs that are not there.
    pub(crate) async fn check_blobs_of_definition(
        &self,
        tenant: &TenantId,
        definition: &Value,
    ) -> Result<Vec<Mistake>, BlobFault> {
        let mut mistakes = Vec::new();
        for Named { pointer, digest, .. } in blob::named_in(definition) {
            // Anything else is a schema that speaks of references, or one that an expression makes.
            let Some(digest) = digest else { continue };
            if self.touch_blob(tenant, &digest).await?.is_none() {
                mistakes.push(Mistake {
                    pointer,
                    code: "unknown-blob".to_owned(),
                    message: format!("there is no blob {digest}"),
                    help: Some(UPLOAD.to_owned()),
                });
            }
        }
        Ok(mistakes)
    }

    /// Whether all blobs that a value names are there. They stay, for long enough to be named by a run.
    pub(crate) async fn has_blobs_of(&self, tenant: &TenantId, value: &Value) -> Result<bool, Failure> {
        let failed = |fault: BlobFault| internal(format!("a blob cannot be looked for: {fault}"));
        for digest in blob::named_in(value).into_iter().filter_map(|named| named.digest) {
            if self.touch_blob(tenant, &digest).await.map_err(failed)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn wrong_references(
        &self,
        tenant: &TenantId,
        value: &Value,
    ) -> Result<Vec<SchemaViolation>, BlobFault> {
        let mut wrong = Vec::new();
        for Named { pointer, reference, .. } in blob::named_in(value) {
            let message = match reference {
                Ok(BlobRef { digest, size, .. }) => match self.touch_blob(tenant, &digest).await? {
                    Some(info) if info.size == size => continue,
                    // Schemas and conditions go by what the reference says.
                    Some(info) => format!(
                        "the blob {digest} has {} bytes, and not {size} as this reference says: use the one that its upload gave",
                        info.size
                    ),
                    None => format!("there is no blob {digest}: {UPLOAD}"),
                },
                Err(why) => {
                    format!(
                        "an object with `{}` is a reference to a blob, and this is none: {why}",
                        blob::KEY
                    )
                }
            };
            wrong.push(SchemaViolation { pointer, message });
        }
        Ok(wrong)
    }
}
