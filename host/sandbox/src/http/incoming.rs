//! Answers whose bodies come piece by piece.

/// An answer whose head has come.
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub struct Incoming;
