//! How many files the process may have open at once. Every connection is one, and each slow answer waits on one.

/// Fewer than this are soon used up by steps that wait for their answers.
const ENOUGH: u64 = 16_384;

/// Allows as many as this user may have.
pub(crate) fn allow_most() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) if allowed < ENOUGH => tracing::warn!(
            allowed,
            "few files may be open at once, and every connection is one: raise the hard limit (`ulimit -Hn`, `LimitNOFILE=`) to {ENOUGH} \
             or more, or many slow calls at once will fail"
        ),
        Ok(allowed) => tracing::debug!(allowed, "files that may be open at once"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}
