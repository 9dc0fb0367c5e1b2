//! Numbers in groups: cards, telephones, and what states give to people.

use std::ops::Range;

/// Digits without anything between.
struct Group {
    span: Range<usize>,
    digits: String,
}

/// Groups that belong together, and how they begin.
struct Number {
    groups: Vec<Group>,
    has_plus: bool,
    /// What stands between the groups.
    between: String,
    start: usize,
}

impl Number {
    fn digits(&self) -> String {
        self.groups.iter().map(|group| group.digits.as_str()).collect()
    }

    fn lengths(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.digits.len()).collect()
    }

    fn span(&self) -> Range<usize> {
        self.start..self.groups.last().map_or(self.start, |group| group.span.end)
    }
}

/// All numbers of a text. Two groups belong together if a few signs stand between them, as people write them.
fn numbers(chars: &[char]) -> Vec<Number> {
    let mut numbers: Vec<Number> = Vec::new();
    for group in groups(chars) {
        let joins = |number: &Number| {
            let end = number.span().end;
            let between = &chars[end..group.span.start];
            between.len() <= 3 && between.iter().all(|c| " -./()\u{a0}".contains(*c))
        };
        match numbers.last_mut().filter(|number| joins(number)) {
            Some(number) => {
                number.between.extend(&chars[number.span().end..group.span.start]);
                number.groups.push(group);
            }
            None => {
                let before =
                    chars[..group.span.start].iter().rev().take_while(|c| "+(".contains(**c)).count();
                let start = group.span.start - before.min(2);
                let has_plus = chars[start..group.span.start].contains(&'+');
                numbers.push(Number { groups: vec![group], has_plus, between: String::new(), start });
            }
        }
    }
    numbers
}

/// Digits that stand in no word.
fn groups(chars: &[char]) -> Vec<Group> {
    let mut found = Vec::new();
    let mut at = 0;
    for run in chars.chunk_by(|one, other| is_word(*one) == is_word(*other)) {
        let span = at..at + run.len();
        at = span.end;
        if run.iter().all(char::is_ascii_digit) {
            found.push(Group { span, digits: run.iter().collect() });
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn cards(chars: &[char]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for number in numbers(chars) {
        let groups = &number.groups;
        let mut first = 0;
        while first < groups.len() {
            let last = (first..groups.len()).find(|last| is_card(&groups[first..=*last]));
            if let Some(last) = last {
                found.push(groups[first].span.start..groups[last].span.end);
            }
            first = last.unwrap_or(first) + 1;
        }
    }
    found
}

fn is_card(groups: &[Group]) -> bool {
    let digits: String = groups.iter().map(|group| group.digits.as_str()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.digits.len()).collect();
    // In one, or as cards show it.
    let is_grouped =
        matches!(lengths.as_slice(), [13..=19] | [4, 4, 4, 4] | [4, 4, 4, 4, 3] | [4, 6, 5] | [4, 6, 4]);
    let are_together = groups.windows(2).all(|pair| pair[1].span.start - pair[0].span.end == 1);
    is_grouped && are_together && digits.starts_with(['2', '3', '4', '5', '6']) && luhn(&digits)
}

fn luhn(digits: &str) -> bool {
    let weigh = |(index, digit): (usize, char)| {
        let digit = digit.to_digit(10).unwrap_or_default() * if index % 2 == 1 { 2 } else { 1 };
        digit / 10 + digit % 10
    };
    digits.chars().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

pub(super) fn us_ssns(chars: &[char]) -> Vec<Range<usize>> {
    let is_ssn = |number: &Number| {
        let [area, group, serial] = number.groups.as_slice() else { return false };
        let (area, group, serial) = (area.digits.as_str(), group.digits.as_str(), serial.digits.as_str());
        (area.len(), group.len(), serial.len()) == (3, 2, 4)
            && matches!(number.between.as_str(), "--" | "  ")
            && !(area == "000" || area == "666" || area.starts_with('9') || group == "00" || serial == "0000")
    };
    numbers(chars).iter().filter(|number| is_ssn(number)).map(Number::span).collect()
}

pub(super) fn uk_ninos(chars: &[char]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for start in 0..chars.len() {
        if let Some(end) = nino(chars, start) {
            found.push(start..end);
        }
    }
    found
}

/// Two letters, six digits, one letter; spaces may part them.
fn nino(chars: &[char], start: usize) -> Option<usize> {
    if start.checked_sub(1).is_some_and(|before| is_word(chars[before])) {
        return None;
    }
    let mut end = start;
    for index in 0..9 {
        if index >= 2 && index % 2 == 0 && chars.get(end) == Some(&' ') {
            end += 1;
        }
        let c = *chars.get(end)?;
        let fits = match index {
            0 => c.is_ascii_uppercase() && !"DFIQUV".contains(c),
            1 => c.is_ascii_uppercase() && !"DFIOQUV".contains(c),
            8 => ('A'..='D').contains(&c),
            _ => c.is_ascii_digit(),
        };
        if !fits {
            return None;
        }
        end += 1;
    }
    chars.get(end).is_none_or(|after| !is_word(*after)).then_some(end)
}

pub(super) fn phones(chars: &[char]) -> Vec<Range<usize>> {
    numbers(chars).iter().filter(|number| is_phone(number)).map(Number::span).collect()
}

fn is_phone(number: &Number) -> bool {
    let digits = number.digits();
    let lengths = number.lengths();
    let count = digits.len();
    if number.has_plus {
        return (8..=15).contains(&count);
    }
    if digits.starts_with("00") && lengths[0] >= 3 {
        return (10..=17).contains(&count);
    }
    let american = match lengths.as_slice() {
        [3, 3, 4] => !digits.starts_with(['0', '1']),
        [1, 3, 3, 4] => digits.starts_with('1'),
        _ => false,
    };
    // A day, a month and a year, and perhaps an hour.
    let is_date = matches!(lengths.as_slice(), [1..=2, 1..=2, 4, ..] | [4, 1..=2, 1..=2, ..]);
    let national = digits.starts_with('0')
        && lengths[0] >= 2
        && lengths.len() >= 2
        && (9..=12).contains(&count)
        && !is_date;
    american || national
}
