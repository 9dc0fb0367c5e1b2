//! The short way: a text whose expressions are nothing but paths into the input, each perhaps with one plain text filter.
//!
//! Most are, and to read and run them as MiniJinja costs several times what the rest of an attempt does. Whatever this does not
//! know, or does not find, it leaves to MiniJinja, which also has the words for what is wrong.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

/// What the text gives; `None` where MiniJinja has to say it.
pub(crate) fn render(text: &str, input: &Value) -> Option<Value> {
    if let Some(whole) = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"))
        && !whole.contains("}}")
    {
        return evaluate(whole, input).map(Cow::into_owned);
    }
    let mut rendered = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((literal, tag)) = rest.split_once("{{") {
        let (expression, behind) = tag.split_once("}}")?;
        rendered.push_str(plain(literal)?);
        match evaluate(expression, input)?.as_ref() {
            Value::String(text) => rendered.push_str(text),
            // Writing to a string cannot fail.
            other => write!(rendered, "{other}").ok()?,
        }
        rest = behind;
    }
    rendered.push_str(plain(rest)?);
    Some(Value::String(rendered))
}

/// Text without statements and comments.
fn plain(literal: &str) -> Option<&str> {
    (!literal.contains("{%") && !literal.contains("{#")).then_some(literal)
}

/// `input.a.b[0]`, `input.a | upper`.
fn evaluate<'v>(expression: &str, input: &'v Value) -> Option<Cow<'v, Value>> {
    let (path, filter) = match expression.split_once('|') {
        Some((path, filter)) => (path, Some(text_filter(filter.trim())?)),
        None => (expression, None),
    };
    let found = follow(path.trim(), input)?;
    let Some(filter) = filter else { return Some(Cow::Borrowed(found)) };
    Some(Cow::Owned(Value::String(filter(found.as_str()?))))
}

fn text_filter(name: &str) -> Option<fn(&str) -> String> {
    match name {
        "upper" => Some(str::to_uppercase),
        "lower" => Some(str::to_lowercase),
        "trim" => Some(|text| text.trim().to_owned()),
        _ => None,
    }
}

fn follow<'v>(path: &str, input: &'v Value) -> Option<&'v Value> {
    let mut rest = path.strip_prefix("input")?;
    let mut value = input;
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('.') {
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            let (name, behind) = behind.split_at(end);
            value = value.as_object()?.get(identifier(name)?)?;
            rest = behind;
        } else {
            let (index, behind) = rest.strip_prefix('[')?.split_once(']')?;
            value = value.as_array()?.get(position(index)?)?;
            rest = behind;
        }
    }
    Some(value)
}

fn identifier(name: &str) -> Option<&str> {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_name = starts && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

fn position(index: &str) -> Option<usize> {
    index.bytes().all(|byte| byte.is_ascii_digit()).then(|| index.parse().ok())?
}
