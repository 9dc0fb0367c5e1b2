//! What a library said as it panicked.

use std::any::Any;

/// The panic's message.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("its reader gave up").to_owned()
}
