//! Places in JSON documents.

use serde_json::{Map, Value};

/// Puts a value where a pointer leads, and makes the objects on the way. False where something else is in the way.
pub(crate) fn put(document: &mut Value, pointer: &str, value: Value) -> bool {
    let Some(path) = pointer.strip_prefix('/') else { return false };
    let mut place = document;
    for name in path.split('/') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Some(object) = place.as_object_mut() else { return false };
        place = object.entry(name.replace("~1", "/").replace("~0", "~")).or_insert(Value::Null);
    }
    *place = value;
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_put_where_the_pointer_leads() {
        let mut document = json!({"a": {"x": 1}, "list": []});
        for pointer in ["/a/x", "/b/c~1d/e", "/f"] {
            assert!(put(&mut document, pointer, json!(2)), "{pointer}");
            assert_eq!(document.pointer(pointer), Some(&json!(2)));
        }
        for pointer in ["", "f", "/list/0", "/f/g"] {
            assert!(!put(&mut document, pointer, json!(3)), "{pointer}");
        }
    }
}
