//! Where in a document a chunk is from: its page, and the headings above it. All in characters.

use schemars::JsonSchema;
use serde::Deserialize;

/// A page.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Page {
    /// From 1.
    number: usize,
    /// Where it starts in the text, in characters.
    start: usize,
}

/// A heading.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Heading {
    /// From 1, the highest.
    level: u8,
    /// What it says.
    text: String,
    /// Where it starts in the text, in characters.
    start: usize,
}

/// The pages and headings of a text, in order.
pub(crate) struct Places {
    pages: Vec<Page>,
    headings: Vec<Heading>,
    /// Where headings start, in bytes, and whether a chunk has to start there as well.
    pub(crate) breaks: Vec<(usize, bool)>,
}

impl Places {
    pub(crate) fn new(text: &str, mut pages: Vec<Page>, mut headings: Vec<Heading>, split: u8) -> Self {
        pages.sort_by_key(|page| page.start);
        headings.sort_by_key(|heading| heading.start);
        let mut bytes = text.char_indices().map(|(byte, _)| byte).enumerate();
        let breaks = headings
            .iter()
            .filter_map(|heading| {
                // Two at one place are as good as one.
                let (_, byte) = bytes.by_ref().find(|(character, _)| *character >= heading.start)?;
                Some((byte, heading.level <= split))
            })
            .collect();
        Self { pages, headings, breaks }
    }

    /// The page of a character.
    pub(crate) fn page(&self, character: usize) -> Option<usize> {
        let after = self.pages.partition_point(|page| page.start <= character);
        Some(self.pages.get(after.checked_sub(1)?)?.number)
    }

    /// The headings above a character, the highest first.
    pub(crate) fn path(&self, character: usize) -> Vec<String> {
        let after = self.headings.partition_point(|heading| heading.start <= character);
        let mut path = Vec::new();
        let mut level = u8::MAX;
        for heading in self.headings[..after].iter().rev() {
            if heading.level < level {
                level = heading.level;
                path.push(heading.text.clone());
            }
        }
        path.reverse();
        path
    }
}

/// The headings of a text in Markdown: lines that begin with `#`, outside of code.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let (mut start, mut in_code) = (0, false);
    for line in text.split_inclusive('\n') {
        in_code ^= line.starts_with("```") || line.starts_with("~~~");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let says = line[level..].trim();
        if !in_code && (1..=6).contains(&level) && line[level..].starts_with(' ') && !says.is_empty() {
            let level = u8::try_from(level).unwrap_or(6);
            headings.push(Heading { level, text: says.trim_end_matches('#').trim().into(), start });
        }
        start += line.chars().count();
    }
    headings
}
