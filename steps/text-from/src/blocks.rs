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

/// Writes blocks as Markdown does, and tells where the headings are.
pub(crate) fn write(blocks: &[Block]) -> (String, Vec<Heading>) {
    let mut text = String::new();
    let mut headings = Vec::new();
    // Counted as the text grows: counting anew for each heading would take the square of the time.
    let mut counted = (0, 0);
    for (place, block) in blocks.iter().enumerate() {
        if place > 0 {
            let in_list = matches!((&blocks[place - 1], block), (Block::Item { .. }, Block::Item { .. }));
            text.push_str(if in_list { "\n" } else { "\n\n" });
        }
        if let Block::Heading(level, says) = block {
            counted.1 += text[counted.0..].chars().count();
            counted.0 = text.len();
            headings.push(Heading { level: *level, text: says.clone(), start: counted.1 });
        }
        write_block(&mut text, block);
    }
    (text, headings)
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

/// Every row is as long as the longest: readers of Markdown drop what is beyond the first.
fn write_table(text: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        text.push('|');
        for column in 0..columns {
            let cell = row.get(column).map(String::as_str).unwrap_or_default();
            text.push(' ');
            text.push_str(&cell.replace('|', "\\|").replace(['\n', '\r'], " "));
            text.push_str(" |");
        }
        if place == 0 {
            text.push_str("\n|");
            text.push_str(&" --- |".repeat(columns));
        }
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
        let blocks = [
            Block::Paragraph("Grüße".into()),
            Block::Heading(2, "Terms".into()),
            item(0, Some(1), "one"),
            item(1, None, "deeper"),
            Block::Table(vec![vec!["a".into(), "b|c".into()], vec!["1".into()]]),
        ];
        let (text, headings) = write(&blocks);
        assert_eq!(text, "Grüße\n\n## Terms\n\n1. one\n  - deeper\n\n| a | b\\|c |\n| --- | --- |\n| 1 |  |");
        let start: String = text.chars().skip(headings[0].start).take(8).collect();
        assert_eq!(start, "## Terms");
    }
}
