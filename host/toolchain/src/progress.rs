//! Telling whoever waits what is done for them.

/// Hears what happens, as it happens.
pub trait Progress {
    /// Something begins that takes a while: `adding the target wasm32-unknown-unknown with rustup`.
    fn doing(&mut self, what: &str);

    /// A line that a tool wrote meanwhile.
    fn output(&mut self, line: &str);
}

/// Hears and says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn doing(&mut self, _what: &str) {}

    fn output(&mut self, _line: &str) {}
}
