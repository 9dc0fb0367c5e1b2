//! Text as words, each as it reads: letters that look alike are alike, and what is not shown is not there.

use std::ops::Range;

/// How many words `..` may stand for, and how many letters where words are not told apart.
const GAP_WORDS: usize = 3;
const GAP_LETTERS: usize = 24;

/// A character as it reads, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Sign {
    pub(super) reads: char,
    pub(super) at: usize,
    /// It is none of ASCII's letters, and looks like one.
    pub(super) is_lookalike: bool,
}

/// One word.
pub(super) struct Word {
    pub(super) text: String,
    /// The same with digits read as letters, where it has both.
    pub(super) in_digits: Option<String>,
    pub(super) span: Range<usize>,
    /// It has letters of several scripts that look alike.
    pub(super) is_mixed: bool,
}

/// What is not shown, or changes only how its neighbours look.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text's signs, without what is not shown.
pub(super) fn signs(chars: &[char]) -> Vec<Sign> {
    let mut signs = Vec::with_capacity(chars.len());
    for (at, c) in chars.iter().enumerate() {
        // Marks that are put on letters say nothing about which letters they are.
        if is_invisible(*c) || ('\u{300}'..='\u{36f}').contains(c) {
            continue;
        }
        for lower in c.to_lowercase() {
            let (reads, is_lookalike) = reading(lower);
            signs.push(Sign { reads, at, is_lookalike });
            if lower == 'ß' {
                signs.push(Sign { reads, at, is_lookalike });
            }
        }
    }
    signs
}

/// A text in the letters that rules are written in.
pub(super) fn folded(text: &str) -> String {
    signs(&text.chars().collect::<Vec<_>>()).iter().map(|sign| sign.reads).collect()
}

fn reading(c: char) -> (char, bool) {
    const LOOKALIKES: [(&str, char); 26] = [
        ("аαɑ", 'a'),
        ("вβ", 'b'),
        ("сϲ", 'c'),
        ("ԁ", 'd'),
        ("еєε", 'e'),
        ("ғ", 'f'),
        ("ɡ", 'g'),
        ("һнη", 'h'),
        ("іιı", 'i'),
        ("ј", 'j'),
        ("кκ", 'k'),
        ("ӏ", 'l'),
        ("м", 'm'),
        ("п", 'n'),
        ("оοσ", 'o'),
        ("рρ", 'p'),
        ("ԛ", 'q'),
        ("г", 'r'),
        ("ѕ", 's'),
        ("тτ", 't'),
        ("υ", 'u'),
        ("ν", 'v'),
        ("ԝω", 'w'),
        ("хχ", 'x'),
        ("уγ", 'y'),
        ("ʐ", 'z'),
    ];
    const MARKED: [(&str, char); 12] = [
        ("àáâãäåā", 'a'),
        ("çćč", 'c'),
        ("èéêëēęě", 'e'),
        ("ìíîïī", 'i'),
        ("ñńň", 'n'),
        ("òóôõöøō", 'o'),
        ("ùúûüūů", 'u'),
        ("ýÿ", 'y'),
        ("śšß", 's'),
        ("źżž", 'z'),
        ("ł", 'l'),
        ("ğ", 'g'),
    ];
    if c.is_ascii() {
        return (c, false);
    }
    let found = |table: &[(&str, char)]| {
        table.iter().find(|(letters, _)| letters.contains(c)).map(|(_, letter)| *letter)
    };
    if let Some(letter) = found(&MARKED) {
        return (letter, false);
    }
    match found(&LOOKALIKES).or_else(|| styled(c)) {
        Some(letter) => (letter, true),
        None if c.is_whitespace() => (if c == '\u{2028}' || c == '\u{2029}' { '\n' } else { ' ' }, false),
        None => (c, false),
    }
}

/// Letters and digits in another style: wide, mathematical, in circles and squares.
fn styled(c: char) -> Option<char> {
    let letter = |offset: u32| char::from_u32(u32::from('a') + offset % 26);
    let code = u32::from(c);
    match code {
        0xff01..=0xff5e => char::from_u32(code - 0xfee0).map(|c| c.to_ascii_lowercase()),
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 52),
        0x1d7ce..=0x1d7ff => char::from_digit((code - 0x1d7ce) % 10, 10),
        0x24b6..=0x24e9 => letter(code - 0x24b6),
        0x1f130..=0x1f149 => letter(code - 0x1f130),
        0x1f150..=0x1f169 => letter(code - 0x1f150),
        0x1f170..=0x1f189 => letter(code - 0x1f170),
        _ => None,
    }
}

/// The words of signs.
pub(super) fn words(signs: &[Sign]) -> Vec<Word> {
    let is_word = |sign: &Sign| sign.reads.is_alphanumeric() || "@$'’".contains(sign.reads);
    signs
        .chunk_by(|one, other| is_word(one) == is_word(other))
        .filter(|part| part.iter().any(|sign| sign.reads.is_alphanumeric()))
        .filter_map(word)
        .collect()
}

fn word(signs: &[Sign]) -> Option<Word> {
    let text: String = signs.iter().map(|sign| sign.reads).filter(|c| !"'’".contains(*c)).collect();
    let has = |kind: fn(char) -> bool| text.chars().any(kind);
    let has_digits = has(|c| c.is_ascii_digit() || "@$".contains(c)) && has(char::is_alphabetic);
    let is_mixed = signs.iter().any(|sign| sign.is_lookalike)
        && signs.iter().any(|sign| !sign.is_lookalike && sign.reads.is_ascii_alphabetic());
    Some(Word {
        in_digits: has_digits.then(|| text.chars().map(digit_as_letter).collect()),
        span: signs.first()?.at..signs.last()?.at + 1,
        text,
        is_mixed,
    })
}

fn digit_as_letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

/// Words in order, with gaps.
pub(super) struct Phrase {
    parts: Vec<Part>,
}

struct Part {
    /// Other words may stand before it.
    after_gap: bool,
    /// What it may be, and whether that is a word's beginning alone.
    alternatives: Vec<(String, bool)>,
}

impl Phrase {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut after_gap = false;
        for token in text.split_whitespace() {
            if token == ".." {
                after_gap = true;
                continue;
            }
            let alternative = |word: &str| {
                let stem = word.strip_suffix('*');
                (folded(stem.unwrap_or(word)), stem.is_some())
            };
            let alternatives: Vec<_> = token.split('|').map(alternative).collect();
            if alternatives.iter().any(|(word, _)| word.is_empty()) {
                return None;
            }
            parts.push(Part { after_gap, alternatives });
            after_gap = false;
        }
        (!parts.is_empty()).then_some(Self { parts })
    }

    /// The words of each place where it stands, none over another.
    pub(super) fn find(&self, words: &[Word]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut start = 0;
        while start < words.len() {
            let end = self.ends_at(words, start, &self.parts);
            found.extend(end.map(|end| start..end));
            start = end.unwrap_or(start + 1);
        }
        found
    }

    fn ends_at(&self, words: &[Word], at: usize, parts: &[Part]) -> Option<usize> {
        let Some((part, rest)) = parts.split_first() else { return Some(at) };
        let skip = if part.after_gap { GAP_WORDS } else { 0 };
        let places = at..(at + skip + 1).min(words.len());
        places
            .into_iter()
            .find_map(|place| part.is(&words[place]).then(|| self.ends_at(words, place + 1, rest)).flatten())
    }

    /// Whether it stands in letters that no space tells apart.
    pub(super) fn is_in_letters(&self, letters: &str) -> bool {
        let mut rest = letters;
        for (index, part) in self.parts.iter().enumerate() {
            let found = part
                .alternatives
                .iter()
                .filter_map(|(word, _)| rest.find(word.as_str()).map(|at| (at, at + word.len())))
                .min();
            match found {
                Some((at, end)) if index == 0 || at <= GAP_LETTERS => rest = &rest[end..],
                _ => return false,
            }
        }
        true
    }
}

impl Part {
    fn is(&self, word: &Word) -> bool {
        let fits = |text: &str| {
            self.alternatives.iter().any(|(other, is_stem)| {
                if *is_stem { text.starts_with(other.as_str()) } else { text == other }
            })
        };
        fits(&word.text) || word.in_digits.as_deref().is_some_and(fits)
    }
}
