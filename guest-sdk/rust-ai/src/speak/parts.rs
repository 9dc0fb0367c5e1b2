//! A long text in parts that are spoken one by one: cut where a speaker would breathe.

/// Parts of at most so many characters, without white space around them; none of a text that says nothing.
///
/// Cut at the end of a paragraph or sentence if one ends in the second half of a part, else between words, and inside a word only if it is
/// longer than a part.
#[must_use]
pub fn cut(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(end(rest, most.max(1)));
        parts.push(part.trim_end());
        rest = behind.trim_start();
    }
    parts
}

/// Where the first part ends, in bytes.
fn end(text: &str, most: usize) -> usize {
    let Some((limit, _)) = text.char_indices().nth(most) else { return text.len() };
    let window = &text[..limit];
    let half = text.char_indices().nth(most / 2).map_or(0, |(index, _)| index);
    let of_sentence = || last(window, |before, next| before.is_some_and(is_end) && next.is_whitespace());
    let of_asian_sentence = || window.rfind(['。', '！', '？']).map(|index| index + 3);
    let paragraph = window.rfind("\n\n").filter(|end| *end > half);
    let sentence = of_sentence().max(of_asian_sentence()).filter(|end| *end > half);
    let word = || last(window, |_, next| next.is_whitespace()).filter(|end| *end > 0);
    paragraph.or(sentence).or_else(word).unwrap_or(limit)
}

fn is_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | ':' | ';' | '"' | '”' | ')')
}

/// The last place that fits, told by the characters before and behind it.
fn last(text: &str, fits: impl Fn(Option<char>, char) -> bool) -> Option<usize> {
    let mut before = None;
    let mut found = None;
    for (index, next) in text.char_indices() {
        if fits(before, next) {
            found = Some(index);
        }
        before = Some(next);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_one_part_and_nothing_is_none() {
        assert_eq!(cut("  Hello. \n", 10), ["Hello."]);
        assert!(cut(" \n ", 10).is_empty());
    }

    #[test]
    fn a_long_text_is_cut_at_sentences_then_words_then_anywhere() {
        assert_eq!(cut("One two. Three four. Five.", 21), ["One two. Three four.", "Five."]);
        assert_eq!(cut("one two three four", 10), ["one two", "three four"]);
        assert_eq!(cut("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(cut("これは文です。次の文です。", 8), ["これは文です。", "次の文です。"]);
        assert_eq!(cut("A longer title\n\nand text. More", 24), ["A longer title", "and text. More"]);
    }

    #[test]
    fn no_part_is_too_long_and_no_word_is_lost() {
        let text = "Ein Satz, noch ein Satz! Überall — Sätze? Ja… und \"Zitate\". ".repeat(50);
        for most in [1, 7, 60, 333] {
            let parts = cut(&text, most);
            assert!(parts.iter().all(|part| part.chars().count() <= most && !part.is_empty()), "{most}");
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(squeezed(&parts.concat()), squeezed(&text), "{most}");
        }
    }
}
