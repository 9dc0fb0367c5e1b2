//! Web pages: their headings, paragraphs, lists and tables. Read tag by tag, without a tree, so that no nesting is too deep.

mod table;
mod tags;
#[cfg(test)]
mod tests;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use crate::blocks::{Block, Writer, squeeze};
use crate::config::Config;

use table::Table;
use tags::{attribute, is_block, leads_on};

/// What a page says of itself.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) title: Option<String>,
    /// Whether a table has more rows or columns than were read.
    pub(crate) truncated: bool,
}

/// Reads a page, as far as the writer takes it.
pub(crate) fn read(html: &str, config: &Config, writer: &mut Writer) -> Page {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader::new(config, writer);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        // Nothing can fail in reading a text that is in memory.
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.start(&tag),
            Token::EndTag(tag) => reader.end(&tag.name),
            Token::String(text) => reader.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if reader.writer.is_full() {
            break;
        }
    }
    reader.finish()
}

struct Reader<'a> {
    config: &'a Config,
    writer: &'a mut Writer,
    page: Page,
    /// What is written next, until a block ends.
    text: String,
    kind: Kind,
    /// Lists around this place: of those that count, how far they have.
    lists: Vec<Option<usize>>,
    quotes: usize,
    /// The element whose content is no text for people, and how often it stands in itself.
    skipped: Option<(Vec<u8>, usize)>,
    /// The table around this place. One within another is read as part of its cell.
    table: Option<Table>,
    tables: usize,
    /// Where the text of a link starts, and where it leads.
    link: Option<(usize, String)>,
    in_title: bool,
    preformatted: usize,
}

/// What kind of block the text belongs to.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Paragraph,
    Heading(u8),
    Item(Option<usize>),
}

impl<'a> Reader<'a> {
    fn new(config: &'a Config, writer: &'a mut Writer) -> Self {
        Self {
            config,
            writer,
            page: Page::default(),
            text: String::new(),
            kind: Kind::default(),
            lists: Vec::new(),
            quotes: 0,
            skipped: None,
            table: None,
            tables: 0,
            link: None,
            in_title: false,
            preformatted: 0,
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = tag.name.as_slice();
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth += usize::from(skipped == name && !tag.self_closing);
            return;
        }
        match name {
            b"script" | b"style" | b"template" | b"noscript" | b"svg" | b"iframe" | b"object" | b"select"
                if !tag.self_closing =>
            {
                self.skipped = Some((name.to_vec(), 1));
            }
            b"title" if self.page.title.is_none() => {
                self.end_block();
                self.in_title = true;
            }
            b"br" => self.text.push('\n'),
            b"hr" => self.end_block(),
            b"img" => self.text(&attribute(tag, b"alt").unwrap_or_default()),
            b"a" => {
                self.link = attribute(tag, b"href").filter(|to| leads_on(to)).map(|to| (self.text.len(), to));
            }
            b"ul" | b"ol" => {
                self.end_block();
                let start = attribute(tag, b"start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push((name == b"ol").then_some(start));
            }
            b"li" | b"dd" => self.start_item(),
            b"blockquote" => {
                self.end_block();
                self.quotes += 1;
            }
            b"pre" => {
                self.end_block();
                self.preformatted += 1;
            }
            b"table" => self.start_table(),
            b"tr" | b"td" | b"th" | b"thead" | b"tbody" | b"tfoot" if self.tables == 1 => {
                self.end_cell();
                if let Some(table) = &mut self.table {
                    table.start(tag);
                }
            }
            b"td" | b"th" | b"tr" => self.end_block(),
            [b'h', level @ b'1'..=b'6'] => {
                self.end_block();
                self.kind = Kind::Heading(level - b'0');
            }
            _ if is_block(name) => self.end_block(),
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth -= usize::from(skipped == name);
            if *depth == 0 {
                self.skipped = None;
            }
            return;
        }
        match name {
            b"title" if self.in_title => {
                self.in_title = false;
                self.page.title =
                    Some(squeeze(&std::mem::take(&mut self.text))).filter(|text| !text.is_empty());
            }
            b"a" => self.end_link(),
            b"ul" | b"ol" => {
                self.end_block();
                self.lists.pop();
            }
            b"blockquote" => {
                self.end_block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            b"pre" => {
                self.end_block();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            b"table" => self.end_table(),
            b"td" | b"th" | b"tr" if self.tables == 1 => self.end_cell(),
            _ if is_block(name) || name == b"li" || name == b"dd" => self.end_block(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.skipped.is_some() {
            return;
        }
        if self.preformatted > 0 {
            self.text.push_str(text);
            return;
        }
        // Lines of the source are no lines of the page; those that `br` made stay.
        for (place, part) in text.split(char::is_whitespace).enumerate() {
            if place > 0 && !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
            self.text.push_str(part);
        }
    }

    fn start_item(&mut self) {
        self.end_block();
        let number = self.lists.last_mut().and_then(Option::as_mut).map(|next| {
            let number = *next;
            *next = number.saturating_add(1);
            number
        });
        self.kind = Kind::Item(number);
    }

    fn start_table(&mut self) {
        if self.tables == 0 {
            self.end_block();
            self.table = Some(Table::new(self.config, self.writer.left()));
        }
        self.tables += 1;
    }

    fn end_table(&mut self) {
        if self.tables == 1 {
            self.end_cell();
            // Headings and items are none within a cell, and the last one ends with it.
            self.kind = Kind::Paragraph;
            let (rows, truncated) = self.table.take().map(Table::into_rows).unwrap_or_default();
            self.page.truncated |= truncated;
            if !rows.is_empty() {
                self.writer.push(Block::Table(rows));
            }
        }
        self.tables = self.tables.saturating_sub(1);
    }

    /// Text that stands in a table and in none of its cells, as its caption does, comes before it.
    fn end_cell(&mut self) {
        self.end_link();
        let text = squeeze(&std::mem::take(&mut self.text));
        if let Some(stray) = self.table.as_mut().and_then(|table| table.end_cell(text)) {
            self.writer.push(Block::Paragraph(stray));
        }
    }

    fn end_link(&mut self) {
        let Some((start, to)) = self.link.take() else { return };
        let Some(says) = self.text.get(start..) else { return };
        let says = squeeze(says);
        if says.is_empty() || says == to {
            return;
        }
        let space = if self.text[start..].starts_with(' ') { " " } else { "" };
        self.text.truncate(start);
        self.text.push_str(&format!("{space}[{says}]({to})"));
    }

    fn end_block(&mut self) {
        if self.tables > 0 {
            if !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
            return;
        }
        self.end_link();
        let text = std::mem::take(&mut self.text);
        let kind = std::mem::take(&mut self.kind);
        if self.preformatted > 0 {
            if !text.trim().is_empty() {
                self.writer.push(Block::Code(text.trim_start_matches('\n').into()));
            }
            return;
        }
        let lines: Vec<String> = text.split('\n').map(squeeze).collect();
        let text = lines.join("\n").trim().to_string();
        if text.is_empty() {
            // The item's text may stand in a paragraph of its own.
            self.kind = if matches!(kind, Kind::Item(_)) { kind } else { Kind::Paragraph };
            return;
        }
        self.writer.push(match kind {
            Kind::Heading(level) => Block::Heading(level, squeeze(&text)),
            Kind::Item(number) => {
                Block::Item { depth: self.lists.len().saturating_sub(1), number, text: squeeze(&text) }
            }
            Kind::Paragraph if self.quotes > 0 => Block::Quote(text),
            Kind::Paragraph => Block::Paragraph(text),
        });
    }

    fn finish(mut self) -> Page {
        // Of tables that are not closed, the outermost has what the others say.
        self.tables = self.tables.min(1);
        self.end_table();
        self.end_block();
        self.page
    }
}
