//! A tolerant reader of JSON: it takes values by name and type, notes each mistake with its place, and goes on.

use std::cell::RefCell;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::mistake::{Mistake, code};
use crate::quantity;
use crate::{pointer, spelling};

/// Mistakes as they are found, from many places at once.
#[derive(Default)]
pub struct Mistakes {
    hindrances: RefCell<Vec<Mistake>>,
    futile: RefCell<Vec<Mistake>>,
}

impl Mistakes {
    /// Notes one.
    pub fn add(&self, mistake: Mistake) {
        self.hindrances.borrow_mut().push(mistake);
    }

    /// Notes one of what can run as it is written, and never do what is meant. A definition that was accepted before such a mistake
    /// was looked for still runs.
    pub fn add_futile(&self, mistake: Mistake) {
        self.futile.borrow_mut().push(mistake);
    }

    /// Notes these.
    pub fn add_all(&self, mistakes: impl IntoIterator<Item = Mistake>) {
        self.hindrances.borrow_mut().extend(mistakes);
    }

    /// What was found, its mistakes noted.
    pub fn note<T>(&self, (found, mistakes): (T, Vec<Mistake>)) -> T {
        self.add_all(mistakes);
        found
    }

    /// All that were noted.
    #[must_use]
    pub fn into_inner(self) -> Vec<Mistake> {
        let mut all = self.hindrances.into_inner();
        all.append(&mut self.futile.into_inner());
        all
    }

    /// Those that keep a definition from running as it is written.
    pub(crate) fn into_hindrances(self) -> Vec<Mistake> {
        self.hindrances.into_inner()
    }
}

/// A value and its place.
pub struct Cursor<'a> {
    /// The value.
    pub value: &'a Value,
    /// Its place.
    pub pointer: String,
    mistakes: &'a Mistakes,
}

impl<'a> Cursor<'a> {
    /// A value at this place of its document.
    #[must_use]
    pub fn new(value: &'a Value, pointer: &str, mistakes: &'a Mistakes) -> Self {
        Self { value, pointer: pointer.to_owned(), mistakes }
    }

    /// Notes a mistake here.
    pub fn wrong(&self, code: &str, message: impl Into<String>) {
        self.mistakes.add(Mistake::new(&self.pointer, code, message));
    }

    /// Notes a mistake here, with how to mend it.
    pub fn wrong_with_help(&self, code: &str, message: impl Into<String>, help: impl Into<String>) {
        self.mistakes.add(Mistake::new(&self.pointer, code, message).with_help(help));
    }

    /// Notes that what stands here can never do what is meant.
    pub(crate) fn futile(&self, message: impl Into<String>, help: impl Into<String>) {
        self.mistakes.add_futile(Mistake::new(&self.pointer, code::BAD_VALUE, message).with_help(help));
    }

    /// An object with no fields but the known ones.
    pub fn fields(&self, known: &[&str]) -> Option<Fields<'a>> {
        self.fields_wanting("an object", known)
    }

    /// The same where something else could stand too: what is wanted here, in words.
    pub(crate) fn fields_wanting(&self, wanted: &str, known: &[&str]) -> Option<Fields<'a>> {
        let object = self.expect(wanted, self.value.as_object())?;
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = pointer::field(&self.pointer, name);
            let message = format!("unknown field `{name}`; known: {}", known.join(", "));
            let mistake = Mistake::new(place, code::UNKNOWN_FIELD, message);
            self.mistakes.add(match spelling::nearest(name, known) {
                Some(near) => mistake.with_help(format!("did you mean `{near}`?")),
                None => mistake,
            });
        }
        Some(Fields { object, pointer: self.pointer.clone(), mistakes: self.mistakes })
    }

    /// An object whose names are its writer's.
    pub fn entries(&self) -> Vec<(&'a str, Cursor<'a>)> {
        let entries = self.expect("an object", self.value.as_object()).into_iter().flatten();
        entries
            .map(|(name, value)| {
                (name.as_str(), Cursor::new(value, &pointer::field(&self.pointer, name), self.mistakes))
            })
            .collect()
    }

    /// A list.
    pub fn items(&self) -> Vec<Cursor<'a>> {
        let items = self.expect("a list", self.value.as_array()).into_iter().flatten();
        items
            .enumerate()
            .map(|(index, value)| Cursor::new(value, &pointer::item(&self.pointer, index), self.mistakes))
            .collect()
    }

    /// A text.
    pub fn text(&self) -> Option<&'a str> {
        self.expect("a text", self.value.as_str())
    }

    /// True or false.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        self.expect("true or false", self.value.as_bool())
    }

    /// A number within bounds.
    pub fn number(&self, least: f64, most: f64) -> Option<f64> {
        let number = self.expect("a number", self.value.as_f64())?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        self.wrong(code::BAD_VALUE, format!("{number} is not between {least} and {most}"));
        None
    }

    /// A whole number within bounds.
    pub fn count(&self, least: u64, most: u64) -> Option<u64> {
        let number = self.expect("a whole number", self.value.as_number())?;
        let count = number.as_u64().filter(|count| (least..=most).contains(count));
        if count.is_none() {
            self.wrong(code::BAD_VALUE, format!("{number} is not a whole number between {least} and {most}"));
        }
        count
    }

    /// A text that stands for a value; `problem` says of a text what is wrong with it.
    pub fn parse<T: FromStr>(&self, code: &str, problem: impl Fn(&str, T::Err) -> String) -> Option<T> {
        let text = self.text()?;
        text.parse().map_err(|error| self.wrong(code, problem(text, error))).ok()
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{text}` is none of: {}", known.join(", "));
            self.wrong(code::BAD_VALUE, message);
        }
        found.map(|(_, value)| *value)
    }

    /// `20s`, `1m30s`, `250ms`.
    pub fn duration(&self) -> Option<Duration> {
        let text = self.expect("a duration in quotes, such as \"20s\"", self.value.as_str())?;
        let duration = quantity::duration(text);
        if duration.is_none() {
            let message = format!("`{text}` is no duration between 1 ms and a year");
            self.wrong_with_help(code::BAD_DURATION, message, quantity::DURATION_FORM);
        }
        duration
    }

    /// A number of bytes, or a text such as `256 MiB`.
    pub fn size(&self) -> Option<u64> {
        let Some(text) = self.value.as_str() else { return self.count(1, u64::MAX) };
        let size = quantity::size(text).filter(|size| *size > 0);
        if size.is_none() {
            self.wrong_with_help(code::BAD_SIZE, format!("`{text}` is no size"), quantity::SIZE_FORM);
        }
        size
    }

    fn expect<T>(&self, wanted: &str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.wrong(code::WRONG_TYPE, format!("{wanted} is wanted here, not {}", kind(self.value)));
        }
        found
    }
}

/// The fields of an object.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    mistakes: &'a Mistakes,
}

impl<'a> Fields<'a> {
    /// A field that may be there.
    pub fn get(&self, name: &str) -> Option<Cursor<'a>> {
        let value = self.object.get(name)?;
        Some(Cursor::new(value, &pointer::field(&self.pointer, name), self.mistakes))
    }

    /// Where a field stands, or would.
    pub(crate) fn place(&self, name: &str) -> String {
        pointer::field(&self.pointer, name)
    }

    /// A field that must be there.
    pub fn require(&self, name: &str, help: &str) -> Option<Cursor<'a>> {
        let field = self.get(name);
        if field.is_none() {
            let message = format!("the field `{name}` is missing");
            self.mistakes.add(Mistake::new(&self.pointer, code::MISSING_FIELD, message).with_help(help));
        }
        field
    }
}

/// A value's JSON type, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
