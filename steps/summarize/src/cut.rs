//! Cuts a long text into pieces that can be read by themselves.

/// Where a text is cut best, and where if it must be.
const ENDS: [&str; 4] = ["\n\n", "\n", ". ", " "];

/// Pieces of at most so many characters each, in order: as few as possible, and cut where paragraphs end, or else lines, sentences or words. Nothing is lost but the white space
/// around them.
pub(crate) fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(end(rest, most));
        pieces.push(piece.trim_end());
        rest = behind.trim_start();
    }
    pieces
}

/// Where the next piece ends, in bytes. White space at its end does not count.
fn end(text: &str, most: usize) -> usize {
    let Some((window, _)) = text.char_indices().nth(most.max(1)) else { return text.len() };
    let behind = |ending: &&str| {
        let reach = if ending.trim().is_empty() { window + ending.len() } else { window };
        let reached = text.get(..reach).unwrap_or(&text[..window]);
        reached.rfind(ending).map(|at| at + ending.len())
    };
    ENDS.iter().find_map(behind).unwrap_or(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_it_is_best() {
        assert_eq!(pieces("a short text", 20), ["a short text"]);
        assert_eq!(pieces("one\ntwo\n\nthree four\n\nfive", 14), ["one\ntwo", "three four", "five"]);
        assert_eq!(pieces("one two\nthree four", 12), ["one two", "three four"]);
        assert_eq!(pieces("One two. Three four.", 12), ["One two.", "Three four."]);
        assert_eq!(pieces("one two three", 8), ["one two", "three"]);
        assert_eq!(pieces("1234\n\n678\n\n0", 9), ["1234\n\n678", "0"]);
        assert_eq!(pieces("ääääää", 4), ["ääää", "ää"]);
        assert!(pieces(" \n\n ", 4).is_empty());
    }

    #[test]
    fn nothing_is_lost_and_no_piece_is_too_long() {
        let text: String =
            (0..2000).map(|n| format!("wörd{n}{}", ["\n\n", " ", ". ", "\n"][n % 4])).collect();
        for most in [1, 7, 50, 999, 100_000] {
            let pieces = pieces(&text, most);
            assert!(pieces.iter().all(|piece| piece.chars().count() <= most && !piece.is_empty()), "{most}");
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(bare(&pieces.concat()), bare(&text), "{most}");
        }
    }
}
