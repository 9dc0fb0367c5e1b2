//! Payment cards, by their length and Luhn's checksum.

use std::ops::Range;

use super::number::{self, Group, Run};

/// As cards show their number.
const MOST_GROUPS: usize = 5;

pub(super) fn find(chars: &[char]) -> Vec<Range<usize>> {
    number::find(chars, |run, first| {
        let last = run.groups.len().min(first + MOST_GROUPS);
        (first + 1..=last).find(|end| is_card(run, first..*end))
    })
}

fn is_card(run: Run<'_>, part: Range<usize>) -> bool {
    let groups = &run.groups[part.clone()];
    // In one, or as cards show it.
    let is_grouped = matches!(
        run.lengths(part).as_slice(),
        [13..=19] | [4, 4, 4, 4] | [4, 4, 4, 4, 3] | [4, 6, 5] | [4, 6, 4]
    );
    let are_together = |pair: &[Group]| pair[1].span.start - pair[0].span.end == 1;
    let issues = |group: &Group| group.digits.starts_with(['2', '3', '4', '5', '6']);
    is_grouped && groups.windows(2).all(are_together) && issues(&groups[0]) && luhn(groups)
}

fn luhn(groups: &[Group]) -> bool {
    let weigh = |(index, digit): (usize, char)| {
        let digit = digit.to_digit(10).unwrap_or_default() * if index % 2 == 1 { 2 } else { 1 };
        digit / 10 + digit % 10
    };
    let digits = groups.iter().rev().flat_map(|group| group.digits.chars().rev());
    digits.enumerate().map(weigh).sum::<u32>() % 10 == 0
}
