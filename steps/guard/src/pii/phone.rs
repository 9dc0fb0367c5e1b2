//! Telephone numbers, as they are written: with a country, in groups that begin with 0, or as in the USA.

use std::ops::Range;

use super::number::{self, Run};

/// Of a country or an area, with its zeros.
const LONGEST_CODE: usize = 5;

pub(super) fn find(chars: &[char]) -> Vec<Range<usize>> {
    number::find(chars, |run, first| {
        let ends = ends(run, first);
        // The longest, unless it took the beginning of the next one.
        let before_another = ends.iter().find(|end| !self::ends(run.behind(**end), 0).is_empty());
        before_another.or(ends.first()).copied()
    })
}

/// Behind which groups a number may end that begins with the group `first`; the longest first.
fn ends(run: Run<'_>, first: usize) -> Vec<usize> {
    let Some(group) = run.groups.get(first) else { return Vec::new() };
    let (has_plus, length) = (run.has_plus(first), group.digits.len());
    let (counts, fewest_groups) = match group.digits.as_str() {
        _ if has_plus => (8..=15, 1),
        digits if digits.starts_with("00") && length >= 3 => (10..=17, 1),
        digits if digits.starts_with('0') && length >= 2 => (9..=12, 2),
        _ => return american(run, first).into_iter().collect(),
    };
    let mut ends = Vec::new();
    let mut count = 0;
    for (at, group) in run.groups.iter().enumerate().skip(first) {
        count += group.digits.len();
        if count > *counts.end() {
            break;
        }
        let part = first..at + 1;
        let fits = counts.contains(&count) && part.len() >= fewest_groups;
        // The groups of amounts, of lists and of articles' numbers may begin with a zero too.
        let is_sure = part.len() == 2 && length <= LONGEST_CODE;
        if fits && run.begins(&part, has_plus || is_sure) && run.stands_apart(&part) {
            ends.push(part.end);
        }
    }
    // Without a country, a day and a month look the same.
    if fewest_groups > 1 && run.groups.get(first..first + 3).is_some_and(number::is_date) {
        ends.clear();
    }
    ends.reverse();
    ends
}

fn american(run: Run<'_>, first: usize) -> Option<usize> {
    let digits = run.groups[first].digits.as_str();
    let is_whole = |part: &Range<usize>| match run.lengths(part.clone()).as_slice() {
        [3, 3, 4] => !digits.starts_with(['0', '1']),
        [1, 3, 3, 4] => digits == "1",
        _ => false,
    };
    let parts = [first..first + 3, first..first + 4];
    parts.into_iter().find(|part| is_whole(part) && run.stands_apart(part)).map(|part| part.end)
}
