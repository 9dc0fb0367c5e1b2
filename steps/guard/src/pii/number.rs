//! Digits in groups, as people write numbers, several of them beside each other too. It knows nothing of what a number means.

use std::ops::Range;

/// So many digits may be a number already: the end of a sentence, a parenthesis or a slash ends it then.
const WHOLE: usize = 9;

/// Digits without anything between.
pub(super) struct Group {
    pub(super) span: Range<usize>,
    pub(super) digits: String,
}

/// Groups with a few signs between: a number, or several beside each other.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    chars: &'a [char],
    pub(super) groups: &'a [Group],
}

/// The numbers of a text. `end` is asked for each group behind which one the number ends that begins there; behind a number, the rest is read afresh.
pub(super) fn find(chars: &[char], end: impl Fn(Run<'_>, usize) -> Option<usize>) -> Vec<Range<usize>> {
    let groups = groups(chars);
    let mut found = Vec::new();
    for mut run in runs(chars, &groups) {
        let mut first = 0;
        while first < run.groups.len() {
            if let Some(end) = end(run, first) {
                found.push(run.span(first..end));
                run = run.behind(end);
                first = 0;
            } else {
                first += 1;
            }
        }
    }
    found
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether three groups are a day, a month and a year, from either end.
pub(super) fn is_date(groups: &[Group]) -> bool {
    let value = |group: &Group, length: usize| {
        Some(&group.digits).filter(|digits| digits.len() <= length).and_then(|digits| digits.parse().ok())
    };
    let is_year = |group: &Group| value(group, 4).is_some_and(|year: u16| (1900..2100).contains(&year));
    let is_day = |one: &Group, other: &Group| match (value(one, 2), value(other, 2)) {
        (Some(one @ 1..=31), Some(other @ 1..=31)) => one.min(other) <= 12,
        _ => false,
    };
    match groups {
        [one, two, three] => (is_year(three) && is_day(one, two)) || (is_year(one) && is_day(two, three)),
        _ => false,
    }
}

impl<'a> Run<'a> {
    /// The groups from one on, as if nothing stood before.
    pub(super) fn behind(self, end: usize) -> Self {
        self.part(end..self.groups.len())
    }

    /// What stands before a group and behind its neighbour; nothing does at the run's edges.
    pub(super) fn sign(&self, before: usize) -> Option<&'a [char]> {
        let (one, other) = (self.groups.get(before.checked_sub(1)?)?, self.groups.get(before)?);
        Some(&self.chars[one.span.end..other.span.start])
    }

    pub(super) fn lengths(&self, part: Range<usize>) -> Vec<usize> {
        self.groups.get(part).into_iter().flatten().map(|group| group.digits.len()).collect()
    }

    pub(super) fn has_plus(&self, first: usize) -> bool {
        let start = self.groups[first].span.start;
        self.chars[start - self.opening(start)..start].contains(&'+')
    }

    /// Whether groups can be a number by themselves: a space is at each edge, or a sign that binds as loosely as those within and does not go on with them. `123-45-6789` is no part of
    /// `123-45-6789-01`.
    pub(super) fn stands_apart(&self, part: &Range<usize>) -> bool {
        let binds_less = |edge: usize| {
            self.sign(edge).is_none_or(|sign| {
                let is_tight = self.within(part).all(|other| !is_spaced(other));
                is_spaced(sign) || (is_tight && !self.is_uniform(part, sign))
            })
        };
        binds_less(part.start) && binds_less(part.end)
    }

    /// Whether a number begins with these groups, rather than goes on: behind a space, and, unless they are sure to begin one, parted by another sign than they are from what is before.
    pub(super) fn begins(&self, part: &Range<usize>, is_sure: bool) -> bool {
        self.sign(part.start).is_none_or(|sign| is_spaced(sign) && (is_sure || !self.is_uniform(part, sign)))
    }

    fn within(&self, part: &Range<usize>) -> impl Iterator<Item = &'a [char]> {
        (part.start + 1..part.end).filter_map(|before| self.sign(before))
    }

    /// Whether one sign parts all of several groups.
    fn is_uniform(&self, part: &Range<usize>, sign: &[char]) -> bool {
        part.len() > 1 && self.within(part).all(|other| other == sign)
    }

    fn part(self, part: Range<usize>) -> Self {
        Self { groups: &self.groups[part], ..self }
    }

    /// Where a number stands, with its plus, and with a parenthesis that closes within it.
    fn span(&self, part: Range<usize>) -> Range<usize> {
        let (start, end) = (self.groups[part.start].span.start, self.groups[part.end - 1].span.end);
        let opening = if self.chars[start..end].contains(&')') {
            self.opening(start)
        } else {
            usize::from(self.has_plus(part.start) && self.chars[start - 1] == '+')
        };
        start - opening..end
    }

    /// How many signs open a number.
    fn opening(&self, start: usize) -> usize {
        self.chars[..start].iter().rev().take(2).take_while(|c| "+(".contains(**c)).count()
    }

    /// A date in one, that no other number takes in.
    fn is_date(&self, first: usize) -> bool {
        let part = first..first + 3;
        self.groups.get(part.clone()).is_some_and(is_date)
            && [['-'], ['.'], ['/']].iter().any(|sign| self.is_uniform(&part, sign))
            && self.stands_apart(&part)
    }

    /// Whether a number that begins with the group `first` ends before another.
    fn ends(&self, first: usize, before: usize) -> bool {
        self.sign(before).is_some_and(ends_phrase)
            && self.lengths(first..before).iter().sum::<usize>() >= WHOLE
    }
}

fn ends_phrase(sign: &[char]) -> bool {
    match sign {
        [.., '.', c] | [.., c, '('] | [.., c, '/'] | [c, '/', _] => c.is_whitespace(),
        _ => false,
    }
}

fn is_spaced(sign: &[char]) -> bool {
    sign.iter().any(|c| c.is_whitespace())
}

/// Groups belong together if at most three signs stand between, as people write them. Dates do not belong to them.
fn runs<'a>(chars: &'a [char], groups: &'a [Group]) -> Vec<Run<'a>> {
    let are_joined = |one: &Group, other: &Group| {
        let between = &chars[one.span.end..other.span.start];
        between.len() <= 3 && between.iter().all(|c| " -./()\u{a0}".contains(*c))
    };
    let mut runs = Vec::new();
    for groups in groups.chunk_by(are_joined) {
        let whole = Run { chars, groups };
        let (mut first, mut at) = (0, 0);
        while at < groups.len() {
            if whole.is_date(at) {
                runs.push(whole.part(first..at));
                at += 3;
                first = at;
                continue;
            }
            if whole.ends(first, at) {
                runs.push(whole.part(first..at));
                first = at;
            }
            at += 1;
        }
        runs.push(whole.behind(first));
    }
    runs
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
