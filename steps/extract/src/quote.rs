//! Finds a quote in a text. White space counts as white space, however much of it and of whichever kind: models do not keep line breaks.

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
        let at = self.flat.find(&quote)?;
        let place = |flat: usize| {
            let index = self.places.binary_search_by_key(&flat, |place| place.flat).ok()?;
            self.places.get(index).copied()
        };
        let (first, end) = (place(at)?, place(at + quote.len() - last.len_utf8())?);
        let text = self.text.get(first.byte..end.byte + last.len_utf8())?;
        Some((first.character, end.character + 1, text.to_owned()))
    }
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
}
