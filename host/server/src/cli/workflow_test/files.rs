//! Blobs in a test file: `{"$file": "photo.png"}` stands for the blob that a file beside it is.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value};
use stepwell_core::blob::{BlobRef, KEY, MediaType};
use stepwell_core::digest::Digest;
use stepwell_core::id::TenantId;
use stepwell_core::mistake::{Mistake, code};
use stepwell_engine::{BlobFault, Engine};

use crate::cli::blob::media_type_of;

/// The field that makes an object stand for a file.
const FILE: &str = "$file";

const FORM: &str =
    "write `{\"$file\": \"photo.png\"}`, perhaps with a `media_type`; the path is relative to the test file";

/// The files that a test file names.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(BTreeMap<Digest, File>);

/// A file's content.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    pub(super) media_type: MediaType,
}

/// The document with a reference in place of each file that it names; or what is wrong with them.
pub(super) fn resolve(document: &Value, beside: &Path) -> Result<(Value, Files), Vec<Mistake>> {
    let mut reader = Reader { beside, files: Files::default(), mistakes: Vec::new() };
    let resolved = reader.value(document, "", false);
    if reader.mistakes.is_empty() { Ok((resolved, reader.files)) } else { Err(reader.mistakes) }
}

struct Reader<'a> {
    beside: &'a Path,
    files: Files,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn value(&mut self, value: &Value, place: &str, is_expected: bool) -> Value {
        match value {
            Value::Object(fields) if fields.contains_key(FILE) => match self.file(fields, is_expected) {
                Ok(reference) => reference,
                Err(message) => {
                    self.mistakes.push(Mistake {
                        pointer: place.to_owned(),
                        code: code::WRONG_TYPE.to_owned(),
                        message,
                        help: Some(FORM.to_owned()),
                    });
                    Value::Null
                }
            },
            Value::Object(fields) => {
                let resolved = fields.iter().map(|(name, value)| {
                    let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                    let is_expected = is_expected || name.starts_with("expect");
                    (name.clone(), self.value(value, &place, is_expected))
                });
                Value::Object(resolved.collect())
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| self.value(item, &format!("{place}/{index}"), is_expected))
                    .collect()
            }
            other => other.clone(),
        }
    }

    /// The reference to a file's blob. A step gives no names: where something is expected, there is none.
    fn file(&mut self, fields: &Map<String, Value>, is_expected: bool) -> Result<Value, String> {
        if let Some(unknown) = fields.keys().find(|name| !matches!(name.as_str(), FILE | "media_type")) {
            return Err(format!("`{unknown}` is no field of a file"));
        }
        let path = fields[FILE].as_str().ok_or("the path of a file is a text")?;
        let path = self.beside.join(path);
        let media_type = match fields.get("media_type") {
            Some(given) => {
                let text = given.as_str().ok_or("a media type is a text")?;
                text.parse::<MediaType>().map_err(|error| error.to_string())?
            }
            None => media_type_of(&path),
        };
        let bytes: Bytes = std::fs::read(&path)
            .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?
            .into();
        let name =
            path.file_name().filter(|_| !is_expected).and_then(|name| name.to_string_lossy().parse().ok());
        let digest = Digest::of(&bytes);
        let reference = BlobRef { digest, size: bytes.len() as u64, media_type: media_type.clone(), name };
        self.files.0.insert(digest, File { bytes, media_type });
        Ok(reference.to_json())
    }
}

impl IntoIterator for Files {
    type Item = File;
    type IntoIter = std::collections::btree_map::IntoValues<Digest, File>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}

impl Files {
    /// The file that a reference stands for.
    pub(super) fn of(&self, reference: &Value) -> Option<&File> {
        self.0.get(&reference.get(KEY)?.as_str()?.parse().ok()?)
    }

    /// Gives an engine their blobs.
    pub(super) async fn upload(&self, engine: &Engine, tenant: &TenantId) -> Result<(), BlobFault> {
        for File { bytes, media_type } in self.0.values() {
            let mut upload = engine.create_blob(tenant);
            upload.write(bytes.clone()).await?;
            upload.finish(media_type.clone()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_becomes_the_reference_to_its_blob() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.png"), "abc").unwrap();
        let document = json!({
            "input": [{"$file": "a.png"}],
            "expect": {"output": {"$file": "a.png", "media_type": "text/plain"}}
        });
        let (resolved, files) = resolve(&document, folder.path()).unwrap();
        let digest = Digest::of(b"abc").to_string();
        assert_eq!(
            resolved,
            json!({
                "input": [{"$blob": digest, "size": 3, "media_type": "image/png", "name": "a.png"}],
                "expect": {"output": {"$blob": digest, "size": 3, "media_type": "text/plain"}}
            })
        );
        assert_eq!(files.of(&resolved["input"][0]).unwrap().bytes, "abc");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_at_its_place() {
        let document = json!({
            "a/b": {"$file": "not-there.png"},
            "c": [{"$file": 1}, {"$file": "x", "media_type": "none"}, {"$file": "x", "size": 1}]
        });
        let mistakes = resolve(&document, Path::new("")).unwrap_err();
        let places: Vec<&str> = mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
        assert_eq!(places, ["/a~1b", "/c/0", "/c/1", "/c/2"]);
    }
}
