//! What the styles and lists of a DOCX mean. Styles are known by ids that differ from language to language; their names do not.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::events::BytesStart;
use stepwell_sdk::StepError;

use crate::config::Config;

use super::{Listener, attribute, walk};

/// What a paragraph of some style is.
#[derive(Debug, Default, Clone)]
pub(super) struct Role {
    /// The level of a heading.
    pub(super) heading: Option<u8>,
    /// Whether it is the document's title.
    pub(super) is_title: bool,
    /// The list that it is in, and how deep.
    pub(super) list: Option<(String, usize)>,
}

/// `word/styles.xml`.
#[derive(Default)]
pub(super) struct Styles {
    roles: BTreeMap<String, Role>,
    current: Option<String>,
    depth: usize,
}

impl Styles {
    pub(super) fn read(xml: &[u8], config: &Config) -> Result<Self, StepError> {
        let mut styles = Self::default();
        walk(xml, config, &mut styles)?;
        Ok(styles)
    }

    pub(super) fn role(&self, style: &str) -> Role {
        self.roles.get(style).cloned().unwrap_or_else(|| Role { heading: heading(style), ..Role::default() })
    }
}

impl Listener for Styles {
    fn start(&mut self, name: &[u8], element: &BytesStart<'_>) {
        if name == b"style" {
            self.current = attribute(element, b"styleId");
            self.depth = 0;
        }
        let Some(current) = self.current.clone() else { return };
        let role = self.roles.entry(current).or_default();
        let value = attribute(element, b"val").unwrap_or_default();
        match name {
            b"name" => {
                role.is_title = value.eq_ignore_ascii_case("title");
                role.heading = heading(&value).or(role.is_title.then_some(1));
            }
            // Level 10 is that of text.
            b"outlineLvl" => {
                let level = value.parse::<u8>().ok().filter(|level| *level < 9).map(|level| level + 1);
                role.heading = role.heading.or(level);
            }
            b"ilvl" => self.depth = value.parse().unwrap_or(0),
            b"numId" if value != "0" => role.list = Some((value, self.depth)),
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if name == b"style" {
            self.current = None;
        }
    }
}

/// The level that a style's name or id tells: `heading 2`, `Heading2`.
fn heading(name: &str) -> Option<u8> {
    let start = name.get(..7)?;
    let level = name.get(7..)?.trim().parse().ok()?;
    (start.eq_ignore_ascii_case("heading") && (1..=9).contains(&level)).then_some(level)
}

/// `word/numbering.xml`: which lists count, at which depth.
#[derive(Default)]
pub(super) struct Numbering {
    /// The definition of each list.
    lists: BTreeMap<String, String>,
    /// The definitions that count, with the depth.
    counting: BTreeSet<(String, usize)>,
    definition: Option<String>,
    list: Option<String>,
    depth: usize,
}

impl Numbering {
    pub(super) fn read(xml: &[u8], config: &Config) -> Result<Self, StepError> {
        let mut numbering = Self::default();
        walk(xml, config, &mut numbering)?;
        Ok(numbering)
    }

    pub(super) fn counts(&self, list: &str, depth: usize) -> bool {
        self.lists.get(list).is_some_and(|definition| self.counting.contains(&(definition.clone(), depth)))
    }
}

impl Listener for Numbering {
    fn start(&mut self, name: &[u8], element: &BytesStart<'_>) {
        match name {
            b"abstractNum" => self.definition = attribute(element, b"abstractNumId"),
            b"num" => self.list = attribute(element, b"numId"),
            b"lvl" => {
                self.depth = attribute(element, b"ilvl").and_then(|depth| depth.parse().ok()).unwrap_or(0);
            }
            b"numFmt" => {
                let format = attribute(element, b"val").unwrap_or_default();
                if let Some(definition) =
                    self.definition.clone().filter(|_| format != "bullet" && format != "none")
                {
                    self.counting.insert((definition, self.depth));
                }
            }
            b"abstractNumId" => {
                if let (Some(list), Some(definition)) = (self.list.clone(), attribute(element, b"val")) {
                    self.lists.insert(list, definition);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"abstractNum" => self.definition = None,
            b"num" => self.list = None,
            _ => {}
        }
    }
}
