//! A text with structure, from readers of very different formats to one way of writing it down.

use crate::document::Heading;

/// A part of a text that stands on lines of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// From 1, the highest, and what it says.
    Heading(u8, String),
    Paragraph(String),
    /// Something in a list.
    Item {
        /// 0 for the outermost list.
        depth: usize,
        /// Its number, in a list that counts.
        number: Option<usize>,
        text: String,
    },
    /// What stands in a quotation.
    Quote(String),
    /// Text whose spaces and lines matter.
    Code(String),
    /// Rows of cells; the first one names the columns.
    Table(Vec<Vec<String>>),
}

/// Writes blocks as Markdown does. Once it has more characters than may come it takes no more: whoever asked for the text sees by its length
/// that it has to be cut.
pub(crate) struct Writer {
    text: String,
    headings: Vec<Heading>,
    /// Of the text. Counting anew for each heading would take the square of the time.
    chars: usize,
    /// How many may come.
    most: usize,
    in_list: bool,
}

impl Writer {
    pub(crate) fn new(most: usize) -> Self {
        Self { text: String::new(), headings: Vec::new(), chars: 0, most, in_list: false }
    }

    /// Whether nothing more is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.chars > self.most
    }

    /// How many characters may still come.
    pub(crate) fn left(&self) -> usize {
        self.most.saturating_sub(self.chars)
    }

    pub(crate) fn push(&mut self, block: Block) {
        if self.is_full() {
            return;
        }
        let is_item = matches!(block, Block::Item { .. });
        if !self.text.is_empty() {
            let between = if self.in_list && is_item { "\n" } else { "\n\n" };
            self.write(|text| text.push_str(between));
        }
        self.in_list = is_item;
        let start = self.chars;
        self.write(|text| write_block(text, &block));
        if let Block::Heading(level, text) = block {
            self.headings.push(Heading { level, text, start });
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut String)) {
        let before = self.text.len();
        write(&mut self.text);
        self.chars += self.text[before..].chars().count();
    }

    /// The text, and where its headings are.
    pub(crate) fn finish(self) -> (String, Vec<Heading>) {
        (self.text, self.headings)
    }
}

fn write_block(text: &mut String, block: &Block) {
    match block {
        Block::Heading(level, says) => {
            text.push_str(&"#".repeat(usize::from(*level).clamp(1, 6)));
            text.push(' ');
            text.push_str(says);
        }
        Block::Paragraph(says) => text.push_str(says),
        Block::Item { depth, number, text: says } => {
            text.push_str(&"  ".repeat((*depth).min(16)));
            match number {
                Some(number) => text.push_str(&format!("{number}. ")),
                None => text.push_str("- "),
            }
            text.push_str(says);
        }
        Block::Quote(says) => {
            text.push_str("> ");
            text.push_str(&says.replace('\n', "\n> "));
        }
        Block::Code(says) => {
            text.push_str("```\n");
            text.push_str(says.trim_end_matches('\n'));
            text.push_str("\n```");
        }
        Block::Table(rows) => write_table(text, rows),
    }
}

/// The first row is as long as the longest: readers of Markdown drop what is beyond it. The others end where their cells do, lest one long
/// row make a small table large.
fn write_table(text: &mut String, rows: &[Vec<String>]) {
    let Some((first, rest)) = rows.split_first() else { return };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    write_row(text, first);
    text.push_str(&"  |".repeat(columns - first.len()));
    text.push_str("\n|");
    text.push_str(&" --- |".repeat(columns));
    for row in rest {
        text.push('\n');
        write_row(text, row);
    }
}

fn write_row(text: &mut String, row: &[String]) {
    text.push('|');
    for cell in row {
        text.push(' ');
        text.push_str(&cell.replace('|', "\\|").replace(['\n', '\r'], " "));
        text.push_str(" |");
    }
}

/// A text with each run of white space as one space, and none at its ends.
pub(crate) fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_written_as_markdown_and_headings_found_again() {
        let item = |depth, number, text: &str| Block::Item { depth, number, text: text.into() };
        let mut writer = Writer::new(1_000);
        for block in [
            Block::Paragraph("Grüße".into()),
            Block::Heading(2, "Terms".into()),
            item(0, Some(1), "one"),
            item(1, None, "deeper"),
            Block::Table(vec![vec!["a".into(), "b|c".into()], vec!["1".into()]]),
        ] {
            writer.push(block);
        }
        let (text, headings) = writer.finish();
        assert_eq!(text, "Grüße\n\n## Terms\n\n1. one\n  - deeper\n\n| a | b\\|c |\n| --- | --- |\n| 1 |");
        let start: String = text.chars().skip(headings[0].start).take(8).collect();
        assert_eq!(start, "## Terms");
    }

    #[test]
    fn a_long_row_makes_no_other_longer_but_the_first() {
        let mut writer = Writer::new(1_000);
        writer.push(Block::Table(vec![vec!["a".into()], vec!["b".into(), "c".into()], vec!["d".into()]]));
        assert_eq!(writer.finish().0, "| a |  |\n| --- | --- |\n| b | c |\n| d |");
    }

    #[test]
    fn what_comes_after_more_than_may_is_not_taken() {
        let mut writer = Writer::new(3);
        for text in ["é", "four", "five"] {
            writer.push(Block::Paragraph(text.into()));
        }
        assert_eq!((writer.is_full(), writer.left(), writer.finish().0.as_str()), (true, 0, "é\n\nfour"));
    }
}
