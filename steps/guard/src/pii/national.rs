//! Numbers that states give to people.

use std::ops::Range;

use super::number::{self, Run, is_word};

pub(super) fn us_ssns(chars: &[char]) -> Vec<Range<usize>> {
    number::find(chars, |run, first| {
        let part = first..first + 3;
        (is_ssn(run, first) && run.stands_apart(&part)).then_some(part.end)
    })
}

/// `123-45-6789`, `123 45 6789`
fn is_ssn(run: Run<'_>, first: usize) -> bool {
    let Some([area, group, serial]) = run.groups.get(first..first + 3) else { return false };
    let (area, group, serial) = (area.digits.as_str(), group.digits.as_str(), serial.digits.as_str());
    let signs = (run.sign(first + 1), run.sign(first + 2));
    (area.len(), group.len(), serial.len()) == (3, 2, 4)
        && matches!(signs, (Some(['-']), Some(['-'])) | (Some([' ']), Some([' '])))
        && !(area == "000" || area == "666" || area.starts_with('9') || group == "00" || serial == "0000")
}

pub(super) fn uk_ninos(chars: &[char]) -> Vec<Range<usize>> {
    (0..chars.len()).filter_map(|start| nino(chars, start).map(|end| start..end)).collect()
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
