//! Addresses of e-mail and of the Internet.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

pub(super) fn emails(chars: &[char]) -> Vec<Range<usize>> {
    let at_signs = chars.iter().enumerate().filter(|(_, c)| **c == '@').map(|(at, _)| at);
    at_signs.filter_map(|at| email(chars, at)).collect()
}

fn email(chars: &[char], at: usize) -> Option<Range<usize>> {
    let is_local = |c: &&char| c.is_alphanumeric() || "._%+-'".contains(**c);
    let is_domain = |c: &&char| c.is_alphanumeric() || ".-".contains(**c);
    let mut start = at - chars[..at].iter().rev().take_while(is_local).count();
    start += chars[start..at].iter().take_while(|c| ".'-".contains(**c)).count();
    let mut end = at + 1 + chars[at + 1..].iter().take_while(is_domain).count();
    end -= chars[at + 1..end].iter().rev().take_while(|c| ".-".contains(**c)).count();
    let domain: String = chars[at + 1..end].iter().collect();
    let (host, top) = domain.rsplit_once('.')?;
    let is_top = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    (start < at && !host.is_empty() && (is_top || top.starts_with("xn--"))).then_some(start..end)
}

pub(super) fn addresses(chars: &[char]) -> Vec<Range<usize>> {
    let is_part = |c: &char| c.is_ascii_hexdigit() || ".:".contains(*c);
    let mut found = Vec::new();
    let mut at = 0;
    for run in chars.chunk_by(|one, other| is_part(one) == is_part(other)) {
        let start = at;
        at += run.len();
        let is_within_a_word = |at: Option<usize>| {
            at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
        };
        if !is_part(&run[0]) || is_within_a_word(start.checked_sub(1)) || is_within_a_word(Some(at)) {
            continue;
        }
        // A sentence ends behind it, or it begins a list.
        let dots = run.iter().rev().take_while(|c| ".:".contains(**c)).count();
        let dots = if run.ends_with(&[':', ':']) { 0 } else { dots };
        let text: String = run[..run.len() - dots].iter().collect();
        let version_6 = || text.parse::<Ipv6Addr>().is_ok() && text.contains(|c: char| c.is_ascii_digit());
        let with_port = || {
            text.split_once(':')
                .is_some_and(|(host, port)| host.parse::<Ipv4Addr>().is_ok() && port.parse::<u16>().is_ok())
        };
        if text.parse::<Ipv4Addr>().is_ok() || version_6() {
            found.push(start..at - dots);
        } else if with_port() {
            let host = text.find(':').unwrap_or(text.len());
            found.push(start..start + host);
        }
    }
    found
}
