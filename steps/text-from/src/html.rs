//! Web pages: their headings, paragraphs, lists and tables. Read tag by tag, without a tree, so that no nesting is too deep.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use crate::blocks::{Block, squeeze};

/// What a page says.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) title: Option<String>,
    pub(crate) blocks: Vec<Block>,
}

/// Reads a page.
pub(crate) fn read(html: &str) -> Page {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader::default();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        // Nothing can fail in reading a text that is in memory.
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.start(&tag),
            Token::EndTag(tag) => reader.end(&tag.name),
            Token::String(text) => reader.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    page: Page,
    /// What is written next, until a block ends.
    text: String,
    kind: Kind,
    /// Lists around this place: of those that count, how far they have.
    lists: Vec<Option<usize>>,
    quotes: usize,
    /// The element whose content is no text for people, and how often it stands in itself.
    skipped: Option<(Vec<u8>, usize)>,
    /// The rows of a table. A table in a table is read as part of its cell.
    table: Option<Vec<Vec<String>>>,
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

impl Reader {
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
            b"tr" if self.tables == 1 => {
                self.end_cell();
                self.table.get_or_insert_default().push(Vec::new());
            }
            b"td" | b"th" if self.tables == 1 => self.end_cell(),
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
            *next += 1;
            *next - 1
        });
        self.kind = Kind::Item(number);
    }

    fn start_table(&mut self) {
        if self.tables == 0 {
            self.end_block();
            self.table = Some(Vec::new());
        }
        self.tables += 1;
    }

    fn end_table(&mut self) {
        if self.tables == 1 {
            self.end_cell();
            let mut rows = self.table.take().unwrap_or_default();
            rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
            if !rows.is_empty() {
                self.page.blocks.push(Block::Table(rows));
            }
        }
        self.tables = self.tables.saturating_sub(1);
    }

    /// Between the first `td` of a row and its start there is no cell, but white space.
    fn end_cell(&mut self) {
        self.link = None;
        let cell = squeeze(&std::mem::take(&mut self.text));
        let Some(rows) = &mut self.table else { return };
        match rows.last_mut() {
            Some(row) if !cell.is_empty() => row.push(cell),
            _ => {}
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
                self.page.blocks.push(Block::Code(text.trim_start_matches('\n').into()));
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
        self.page.blocks.push(match kind {
            Kind::Heading(level) => Block::Heading(level, squeeze(&text)),
            Kind::Item(number) => {
                Block::Item { depth: self.lists.len().saturating_sub(1), number, text: squeeze(&text) }
            }
            Kind::Paragraph if self.quotes > 0 => Block::Quote(text),
            Kind::Paragraph => Block::Paragraph(text),
        });
    }

    fn finish(mut self) -> Page {
        self.end_table();
        self.tables = 0;
        self.end_block();
        self.page
    }
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).trim().to_string())
}

/// Links that lead nowhere but here tell a reader of the text nothing.
fn leads_on(to: &str) -> bool {
    !to.is_empty() && !to.starts_with('#') && !to.to_ascii_lowercase().starts_with("javascript:")
}

fn is_block(name: &[u8]) -> bool {
    const BLOCKS: [&[u8]; 27] = [
        b"address",
        b"article",
        b"aside",
        b"body",
        b"caption",
        b"details",
        b"div",
        b"dl",
        b"dt",
        b"fieldset",
        b"figcaption",
        b"figure",
        b"footer",
        b"form",
        b"h1",
        b"h2",
        b"h3",
        b"h4",
        b"h5",
        b"h6",
        b"header",
        b"main",
        b"nav",
        b"p",
        b"section",
        b"summary",
        b"option",
    ];
    BLOCKS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::write;

    fn text(html: &str) -> String {
        write(&read(html).blocks).0
    }

    #[test]
    fn structure_stays_and_decoration_goes() {
        let html = "<html><head><title>A &amp; B</title><style>p{}</style><script>if (a<b) '</p>'</script></head>
            <body><h1>Terms\n of <b>use</b></h1><p>One<br>two &euro;5, <a href='https://a.example/x'>the page</a>.</p>
            <ol start=3><li>first<ul><li><p>inner</p></li></ul></li><li>second</li></ol>
            <blockquote><p>said</p></blockquote><pre>\n a\n  b</pre></body></html>";
        let page = read(html);
        assert_eq!(page.title.as_deref(), Some("A & B"));
        assert_eq!(
            write(&page.blocks).0,
            "# Terms of use\n\nOne\ntwo €5, [the page](https://a.example/x).\n\n3. first\n  - inner\n4. second\n\n> said\n\n```\n a\n  b\n```"
        );
    }

    #[test]
    fn tables_are_rows_and_one_within_another_is_part_of_its_cell() {
        let html = "<table><tr><th>a<th>b</tr><tr><td>1</td><td><table><tr><td>x</td><td>y</td></tr></table></td></tr></table>after";
        assert_eq!(text(html), "| a | b |\n| --- | --- |\n| 1 | x y |\n\nafter");
    }

    #[test]
    fn what_is_not_closed_loses_nothing_and_nesting_has_no_bound() {
        assert_eq!(
            text("<p>one<p>two<li>three<table><tr><td>four"),
            "one\n\ntwo\n\n- three\n\n| four |\n| --- |"
        );
        let deep = format!("{}x{}", "<div><ul><li>".repeat(50_000), "</li></ul></div>".repeat(50_000));
        assert!(text(&deep).trim_start().starts_with("- x"));
        assert_eq!(text("</table></ul></blockquote></pre>x"), "x");
    }
}
