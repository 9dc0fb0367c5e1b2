//! Finds a quote in a text. White space counts as white space, however much of it and of whichever kind: models do not keep line breaks. A word or a number is found as a whole: the
//! `2` of `1207` proves no quantity of 2.

/// A text to look in.
pub(crate) struct Haystack<'a> {
    text: &'a str,
    /// The text with one space in place of each run of white space.
    flat: String,
    /// Of each character of `flat`: its place in it and in the text, in bytes, and in the text in characters.
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    flat: usize,
    byte: usize,
    character: usize,
}

impl<'a> Haystack<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let (mut flat, mut places) = (String::with_capacity(text.len()), Vec::new());
        let mut in_space = false;
        for (character, (byte, c)) in text.char_indices().enumerate() {
            let is_space = c.is_whitespace();
            if is_space && in_space {
                continue;
            }
            in_space = is_space;
            places.push(Place { flat: flat.len(), byte, character });
            flat.push(if is_space { ' ' } else { c });
        }
        Self { text, flat, places }
    }

    /// Where a quote first stands, in characters, and what stands there.
    pub(crate) fn find(&self, quote: &str) -> Option<(usize, usize, String)> {
        let quote = quote.split_whitespace().collect::<Vec<_>>().join(" ");
        let last = quote.chars().next_back()?;
        let at = self.places_of(&quote).find(|at| self.is_whole(*at, *at + quote.len()))?;
        let place = |flat: usize| {
            let index = self.places.binary_search_by_key(&flat, |place| place.flat).ok()?;
            self.places.get(index).copied()
        };
        let (first, end) = (place(at)?, place(at + quote.len() - last.len_utf8())?);
        let text = self.text.get(first.byte..end.byte + last.len_utf8())?;
        Some((first.character, end.character + 1, text.to_owned()))
    }

    /// Each place in `flat`, also those that overlap.
    fn places_of(&self, quote: &str) -> impl Iterator<Item = usize> {
        let next = move |from: usize| Some(from + self.flat.get(from..)?.find(quote)?);
        let step = quote.chars().next().map_or(1, char::len_utf8);
        std::iter::successors(next(0), move |at| next(at + step))
    }

    fn is_whole(&self, start: usize, end: usize) -> bool {
        is_boundary(&self.flat, start) && is_boundary(&self.flat, end)
    }
}

/// Whether no word goes on over a place in a text.
fn is_boundary(text: &str, at: usize) -> bool {
    let (before, behind) = text.split_at(at);
    let goes_on = |c: Option<char>| c.is_some_and(|c| is_in_word(c) && !is_unspaced(c));
    !(goes_on(before.chars().next_back()) && goes_on(behind.chars().next()))
}

/// A letter, a digit, or a mark that is put on one.
fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c)
}

/// Whether a word may end beside it without a sign: in scripts that put no spaces between words, and in Korean, which puts particles behind them.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{303f}' | '\u{3040}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_found_where_it_stands() {
        let text = "Grüße 🙂,\n  die Rechnung\r\n über 12,50 € ist\tda.";
        let haystack = Haystack::new(text);
        let characters: Vec<char> = text.chars().collect();
        for (quote, expected) in [
            ("Grüße", "Grüße"),
            ("12,50 €", "12,50 €"),
            ("die Rechnung über", "die Rechnung\r\n über"),
            (" ist da. ", "ist\tda."),
            ("🙂, die", "🙂,\n  die"),
        ] {
            let (start, end, found) = haystack.find(quote).unwrap();
            assert_eq!(found, expected);
            assert_eq!(characters[start..end].iter().collect::<String>(), expected);
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let haystack = Haystack::new("a total of 12");
        for quote in ["", "  ", "total of 13", "A total", "a total of 12 and more"] {
            assert_eq!(haystack.find(quote), None, "{quote}");
        }
        assert_eq!(Haystack::new("").find("a"), None);
    }

    #[test]
    fn a_word_or_a_number_is_found_as_a_whole() {
        for (text, quote, start) in [
            ("Invoice 1207: quantity 2", "2", Some(23)),
            ("Invoice 1207", "2", None),
            ("Invoice 1207", "120", None),
            ("12 of 112, 12", "12", Some(0)),
            ("11 1 1", "1 1", Some(3)),
            ("Rechnungsnummer", "Rechnung", None),
            ("(Rechnung)", "Rechnung", Some(1)),
            ("schön, schö", "schö", Some(7)),
            ("cafe\u{301}, cafe", "cafe", Some(7)),
            ("39.00€, -2%", "39.00", Some(0)),
            ("39.00€, -2%", "2", Some(9)),
            ("39.00€, -2%", "€,", Some(5)),
            ("5kg", "5", None),
            ("x\n  2\ny", "2", Some(4)),
        ] {
            assert_eq!(Haystack::new(text).find(quote).map(|found| found.0), start, "{quote} in {text}");
        }
    }

    #[test]
    fn words_that_no_space_parts_are_found() {
        for (text, quote, start) in [
            ("合計金額は12円です", "金額", Some(2)),
            ("合計金額は12円です", "12", Some(5)),
            ("合計金額は12円です", "2円", None),
            ("发票号码：1207，数量2个", "2", Some(12)),
            ("カタカナひらがな", "ひら", Some(4)),
            ("홍길동은 2024년에", "홍길동", Some(0)),
            ("홍길동은 2024년에", "2024", Some(5)),
            ("ราคา12บาท", "12", Some(4)),
            ("𠮷野家", "野", Some(1)),
        ] {
            assert_eq!(Haystack::new(text).find(quote).map(|found| found.0), start, "{quote} in {text}");
        }
    }
}
