//! Where two JSON values differ, place by place.

use serde_json::{Map, Value, json};

/// A place at which two values differ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// A JSON pointer (RFC 6901).
    pub(crate) pointer: String,
    /// What was to be there; none: nothing.
    pub(crate) wanted: Option<Value>,
    /// What is there; none: nothing.
    pub(crate) found: Option<Value>,
}

impl Difference {
    pub(crate) fn new(pointer: &str, wanted: Option<&Value>, found: Option<&Value>) -> Self {
        Self { pointer: pointer.to_owned(), wanted: wanted.cloned(), found: found.cloned() }
    }

    /// For programs, with these names for the two sides. A side that is not there has no field.
    pub(crate) fn to_json(&self, wanted: &str, found: &str) -> Value {
        let mut fields = Map::from_iter([("pointer".to_owned(), json!(self.pointer))]);
        fields.extend(self.wanted.clone().map(|value| (wanted.to_owned(), value)));
        fields.extend(self.found.clone().map(|value| (found.to_owned(), value)));
        Value::Object(fields)
    }
}

/// How much of a value must be as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// What is wanted: objects may have other fields as well.
    Part,
}

/// Every place at which `found` is not as `wanted`, in order.
pub(crate) fn differences(wanted: &Value, found: &Value, extent: Extent) -> Vec<Difference> {
    let mut all = Vec::new();
    compare("", wanted, found, extent, &mut all);
    all
}

fn compare(pointer: &str, wanted: &Value, found: &Value, extent: Extent, all: &mut Vec<Difference>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted {
                compare_at(&field(pointer, name), Some(value), found.get(name), extent, all);
            }
            if extent == Extent::Whole {
                let more = found.iter().filter(|(name, _)| !wanted.contains_key(*name));
                all.extend(
                    more.map(|(name, value)| Difference::new(&field(pointer, name), None, Some(value))),
                );
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            for index in 0..wanted.len().max(found.len()) {
                let place = format!("{pointer}/{index}");
                compare_at(&place, wanted.get(index), found.get(index), extent, all);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => all.push(Difference::new(pointer, Some(wanted), Some(found))),
    }
}

fn compare_at(
    pointer: &str,
    wanted: Option<&Value>,
    found: Option<&Value>,
    extent: Extent,
    all: &mut Vec<Difference>,
) {
    match (wanted, found) {
        (Some(wanted), Some(found)) => compare(pointer, wanted, found, extent, all),
        (wanted, found) => all.push(Difference::new(pointer, wanted, found)),
    }
}

/// The place of a field of what stands at `pointer`.
pub(crate) fn field(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(wanted: &Value, found: &Value, extent: Extent) -> Vec<String> {
        differences(wanted, found, extent).into_iter().map(|it| it.pointer).collect()
    }

    #[test]
    fn each_place_that_differs_is_told_with_both_sides() {
        let wanted = json!({"a": 1, "b": [1, {"c/d": 2}], "e": null});
        let found = json!({"a": 1.5, "b": [1, {"c/d": "2"}, 3], "f": 0});
        assert_eq!(places(&wanted, &found, Extent::Whole), ["/a", "/b/1/c~1d", "/b/2", "/e", "/f"]);
        assert_eq!(places(&wanted, &wanted, Extent::Whole), Vec::<String>::new());
        let list = differences(&json!([1]), &json!([1, 2]), Extent::Whole);
        assert_eq!(list[0].to_json("recorded", "replayed"), json!({"pointer": "/1", "replayed": 2}));
    }

    #[test]
    fn of_a_part_objects_may_have_more_and_lists_may_not() {
        let found = json!({"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}]});
        assert!(places(&json!({"a": {"b": 1}, "list": [{"x": 1}]}), &found, Extent::Part).is_empty());
        assert_eq!(places(&json!({"list": []}), &found, Extent::Part), ["/list/0"]);
        assert_eq!(places(&json!({"a": {"z": 1}}), &found, Extent::Part), ["/a/z"]);
    }
}
