//! Markdown as what is set on pages: blocks of runs of text, each run with its style.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What is read beyond CommonMark.
pub(crate) const OPTIONS: Options =
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);

/// The line that begins a new page.
pub(crate) const PAGE_BREAK: &str = "<!-- pagebreak -->";

/// How a run of text is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) bold: bool,
    pub(crate) italic: bool,
    pub(crate) code: bool,
    pub(crate) struck: bool,
    pub(crate) link: Option<String>,
}

/// Text of one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// What a block is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From 1, the highest.
    Heading(u8),
    Paragraph,
    /// With what stands before it: `•`, `3.`.
    Item(String),
    Code,
    /// Rows of cells; the first names the columns.
    Table(Vec<Vec<Vec<Run>>>),
    /// By its name.
    Image(String),
    Rule,
    PageBreak,
}

/// Something on lines of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    pub(crate) runs: Vec<Run>,
    /// How many lists and quotations it stands in.
    pub(crate) indent: usize,
    pub(crate) is_quoted: bool,
}

/// Whether a link leads somewhere that a reader may be sent to.
pub(crate) fn leads_on(to: &str) -> bool {
    let lower = to.to_ascii_lowercase();
    ["http://", "https://", "mailto:", "tel:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// Reads a text.
pub(crate) fn read(markdown: &str) -> Vec<Block> {
    let mut reader = Reader::default();
    for event in Parser::new_ext(markdown, OPTIONS) {
        reader.hear(event);
    }
    reader.end_block();
    reader.blocks
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    runs: Vec<Run>,
    kind: Option<Kind>,
    style: Style,
    /// How often each style stands in itself.
    bold: usize,
    italic: usize,
    /// Lists around this place: of those that count, the next number.
    lists: Vec<Option<u64>>,
    quotes: usize,
    table: Vec<Vec<Vec<Run>>>,
}

impl Reader {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.say(&text),
            Event::Code(text) => {
                self.style.code = true;
                self.say(&text);
                self.style.code = false;
            }
            Event::Html(html) | Event::InlineHtml(html) if html.trim() == PAGE_BREAK => {
                self.put(Kind::PageBreak)
            }
            Event::Html(html) | Event::InlineHtml(html) => self.say(&html),
            Event::SoftBreak => self.say(" "),
            Event::HardBreak => self.say("\n"),
            Event::Rule => self.put(Kind::Rule),
            Event::TaskListMarker(done) => self.say(if done { "[x] " } else { "[ ] " }),
            Event::FootnoteReference(name) => self.say(&format!("[{name}]")),
            Event::InlineMath(math) | Event::DisplayMath(math) => self.say(&math),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => self.begin(Kind::Heading(number(level))),
            Tag::Paragraph if !matches!(self.kind, Some(Kind::Item(_))) => self.begin(Kind::Paragraph),
            Tag::BlockQuote(_) => {
                self.end_block();
                self.quotes += 1;
            }
            Tag::CodeBlock(_) => self.begin(Kind::Code),
            Tag::List(start) => {
                self.end_block();
                self.lists.push(start);
            }
            Tag::Item => {
                let mark = match self.lists.last_mut() {
                    Some(Some(next)) => {
                        *next += 1;
                        format!("{}.", *next - 1)
                    }
                    _ => "•".into(),
                };
                self.begin(Kind::Item(mark));
            }
            Tag::Table(_) => self.begin(Kind::Table(Vec::new())),
            Tag::TableHead | Tag::TableRow => self.table.push(Vec::new()),
            Tag::Strong => self.bold += 1,
            Tag::Emphasis => self.italic += 1,
            Tag::Strikethrough => self.style.struck = true,
            Tag::Link { dest_url, .. } => {
                self.style.link = leads_on(&dest_url).then(|| dest_url.to_string());
            }
            Tag::Image { dest_url, .. } => {
                self.end_block();
                self.kind = Some(Kind::Image(dest_url.to_string()));
            }
            _ => {}
        }
        self.restyle();
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strikethrough => self.style.struck = false,
            TagEnd::Link => self.style.link = None,
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.runs);
                if let Some(row) = self.table.last_mut() {
                    row.push(cell);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {}
            TagEnd::Table => {
                let rows = std::mem::take(&mut self.table);
                self.kind = None;
                self.put(Kind::Table(rows));
            }
            TagEnd::List(_) => {
                self.end_block();
                self.lists.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.end_block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::Image => self.end_image(),
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Item | TagEnd::HtmlBlock => {
                self.end_block();
            }
            _ => {}
        }
        self.restyle();
    }

    fn restyle(&mut self) {
        self.style.bold = self.bold > 0;
        self.style.italic = self.italic > 0;
    }

    fn say(&mut self, text: &str) {
        match self.runs.last_mut() {
            Some(last) if last.style == self.style => last.text.push_str(text),
            _ => self.runs.push(Run { text: text.into(), style: self.style.clone() }),
        }
    }

    fn begin(&mut self, kind: Kind) {
        self.end_block();
        self.kind = Some(kind);
    }

    fn put(&mut self, kind: Kind) {
        self.end_block();
        self.push(kind, Vec::new());
    }

    /// What stands on both sides of an image are paragraphs of their own.
    fn end_image(&mut self) {
        if let Some(kind @ Kind::Image(_)) = self.kind.take() {
            let runs = std::mem::take(&mut self.runs);
            self.push(kind, runs);
        }
    }

    fn end_block(&mut self) {
        let kind = self.kind.take().unwrap_or(Kind::Paragraph);
        let runs = std::mem::take(&mut self.runs);
        let is_empty = runs.iter().all(|run| run.text.trim().is_empty());
        if !is_empty || matches!(kind, Kind::Item(_)) {
            self.push(kind, runs);
        }
    }

    fn push(&mut self, kind: Kind, runs: Vec<Run>) {
        let indent = self.lists.len() + self.quotes;
        self.blocks.push(Block { kind, runs, indent, is_quoted: self.quotes > 0 });
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
