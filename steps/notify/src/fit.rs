//! Texts as a service writes them, no longer than it takes. What is cut is seen to be cut.

use crate::message::Field;

/// How a service wants text.
#[derive(Clone, Copy)]
pub(crate) struct Writing {
    /// Writes one character so that it stands for itself.
    pub(crate) write: fn(char, &mut String),
    /// What a piece of text counts toward the service's limits.
    pub(crate) weigh: fn(&str) -> usize,
}

/// As it is, counted as JavaScript counts: what most services do, and never less than characters.
pub(crate) const PLAIN: Writing =
    Writing { write: |c, out| out.push(c), weigh: |text| text.encode_utf16().count() };

/// The same in Markdown, where signs that mean something get a backslash.
pub(crate) const MARKDOWN: Writing = Writing { write: escape, ..PLAIN };

fn escape(c: char, out: &mut String) {
    if "\\*_~`|>#-[]()<@:".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

impl Writing {
    /// The text, cut to the limit. Addresses of the web are left as they are, or they would lead elsewhere.
    pub(crate) fn fit(self, text: &str, limit: usize) -> String {
        let pieces = self.pieces(text);
        let weights: Vec<usize> = pieces.iter().map(|piece| (self.weigh)(piece)).collect();
        if weights.iter().sum::<usize>() <= limit {
            return pieces.concat();
        }
        let mark = |left_out: usize| format!("… ({left_out} more characters)");
        let room = limit.saturating_sub((self.weigh)(&mark(pieces.len())));
        let mut sum = 0;
        let fitting = weights.iter().take_while(|weight| {
            sum += **weight;
            sum <= room
        });
        let kept = fitting.count();
        pieces[..kept].concat() + &mark(pieces.len() - kept)
    }

    /// One for each character.
    fn pieces(self, text: &str) -> Vec<String> {
        let mut is_address = false;
        let mut piece = |(at, c): (usize, char)| {
            let begins = text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
            if begins && (text[at..].starts_with("https://") || text[at..].starts_with("http://")) {
                is_address = true;
            }
            is_address &= !c.is_whitespace() && !"<>\"".contains(c);
            let mut piece = String::new();
            match is_address {
                true => piece.push(c),
                false => (self.write)(c, &mut piece),
            }
            piece
        };
        text.char_indices().map(&mut piece).collect()
    }

    /// As many fields as fit: by number, and by the weight of all. The last one says how many are missing.
    pub(crate) fn fields(self, fields: &[Field], limits: FieldLimits) -> Vec<(String, String)> {
        let mut written = Vec::new();
        let mut weight = 0;
        for (index, field) in fields.iter().enumerate() {
            let value = field.text();
            // Services refuse a field that is empty.
            let shown = |text: &str, limit| self.fit(if text.trim().is_empty() { "–" } else { text }, limit);
            let (name, value) = (shown(&field.name, limits.name), shown(&value, limits.value));
            weight += (self.weigh)(&name) + (self.weigh)(&value) + limits.each;
            let is_last = index + 1 == fields.len();
            if weight > limits.all || (index + 1 >= limits.count && !is_last) {
                let note = format!("{} more fields are left out", fields.len() - index);
                written.push(("…".to_owned(), note));
                break;
            }
            written.push((name, value));
        }
        written
    }
}

/// What a service takes of fields.
#[derive(Clone, Copy)]
pub(crate) struct FieldLimits {
    /// How many.
    pub(crate) count: usize,
    /// Of a name.
    pub(crate) name: usize,
    /// Of a value.
    pub(crate) value: usize,
    /// Of all together.
    pub(crate) all: usize,
    /// What each field weighs beside its words.
    pub(crate) each: usize,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_is_left_as_it_is_and_what_does_not_says_so() {
        assert_eq!(PLAIN.fit("äöü", 3), "äöü");
        let cut = PLAIN.fit(&"ä".repeat(100), 50);
        assert!(cut.starts_with("ää") && cut.ends_with("… (73 more characters)"), "{cut}");
        assert_eq!(cut.chars().count(), 49);
        assert!(PLAIN.fit(&"🚨".repeat(100), 60).encode_utf16().count() <= 60);
    }

    #[test]
    fn markdown_shows_signs_and_keeps_addresses_whole() {
        let text = "*hi* <@1> see https://a.example/b_c*d (x_y)";
        assert_eq!(MARKDOWN.fit(text, 1000), r"\*hi\* \<\@1\> see https://a.example/b_c*d \(x\_y\)");
        let cut = MARKDOWN.fit(&"*".repeat(100), 60);
        assert!(!cut.split('…').next().unwrap().ends_with(r"\\"), "{cut}");
        assert!(cut.len() <= 62, "{cut}");
    }

    #[test]
    fn fields_that_do_not_fit_are_counted() {
        let fields: Vec<Field> = (0..30).map(|n| Field { name: format!("n{n}"), value: json!(n) }).collect();
        let limits = FieldLimits { count: 25, name: 256, value: 1024, all: 3000, each: 0 };
        let shown = PLAIN.fields(&fields, limits);
        assert_eq!((shown.len(), shown[24].1.as_str()), (25, "6 more fields are left out"));
        assert_eq!(PLAIN.fields(&fields[..25], limits).len(), 25);
        let heavy = PLAIN.fields(&fields, FieldLimits { all: 20, ..limits });
        assert_eq!((heavy.len(), heavy[6].1.as_str()), (7, "24 more fields are left out"));
        let empty = [Field { name: String::new(), value: json!("") }];
        assert_eq!(PLAIN.fields(&empty, limits), [("–".to_owned(), "–".to_owned())]);
    }
}
