//! Help for a word that is not known: the nearest one that is, or all of them.

/// A longer list is cut: nobody reads it.
const MAX_SHOWN: usize = 50;

/// `did you mean ...?` where one of the known words is near, else the list.
pub(crate) fn help(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.len() > MAX_SHOWN => format!("known: {}, ...", known[..MAX_SHOWN].join(", ")),
        None => format!("known: {}", known.join(", ")),
    }
}

/// The known word that is spelled most alike, if one is alike at all.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.len() / 4 && *distance < candidate.len().min(word.len())
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("nmae", &["version", "name"]), Some("name"));
        assert_eq!(nearest("uper", &["lower", "upper"]), Some("upper"));
        assert_eq!(nearest("colour", &["name", "version"]), None);
        assert_eq!(nearest("z", &["a", "b"]), None, "one letter is like any other");
        assert_eq!(help("z", &["a", "b"]), "known: a, b");
    }
}
