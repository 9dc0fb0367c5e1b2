//! Bank accounts (ISO 13616): a country, a checksum, and as many characters as the country has.

use std::ops::Range;

/// How long they are, by country, as the registry has them.
const LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 \
    GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 \
    OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

pub(super) fn find(chars: &[char]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for start in 0..chars.len() {
        let is_free = found.last().is_none_or(|last| last.end <= start);
        if is_free && let Some(end) = at(chars, start) {
            found.push(start..end);
        }
    }
    found
}

fn at(chars: &[char], start: usize) -> Option<usize> {
    let head: String = chars.get(start..start + 4)?.iter().collect::<String>().to_ascii_uppercase();
    let is_head = head.is_ascii()
        && head[..2].bytes().all(|byte| byte.is_ascii_uppercase())
        && head[2..].bytes().all(|byte| byte.is_ascii_digit());
    if !is_head || start.checked_sub(1).is_some_and(|before| chars[before].is_alphanumeric()) {
        return None;
    }
    let length: usize =
        LENGTHS.split_whitespace().find_map(|entry| entry.strip_prefix(&head[..2]))?.parse().ok()?;
    let mut account = String::new();
    let mut end = start;
    // In groups, or in one.
    while account.len() < length {
        match chars.get(end)? {
            c if c.is_ascii_alphanumeric() => account.push(c.to_ascii_uppercase()),
            ' ' | '\u{a0}' | '-' if chars[end - 1].is_ascii_alphanumeric() => {}
            _ => return None,
        }
        end += 1;
    }
    let ends = chars.get(end).is_none_or(|after| !after.is_alphanumeric());
    (ends && remainder(&account) == Some(1)).then_some(end)
}

/// Of the number that it stands for, by 97.
fn remainder(account: &str) -> Option<u32> {
    let (head, rest) = account.split_at_checked(4)?;
    rest.chars().chain(head.chars()).try_fold(0, |sum, c| {
        let digit = c.to_digit(36)?;
        Some((sum * if digit > 9 { 100 } else { 10 } + digit) % 97)
    })
}
