//! A journal and a catalogue in memory: for tests, which start quickly and keep nothing.

mod catalogue;
mod journal;
mod marks;

pub use catalogue::MemoryCatalogue;
pub use journal::MemoryJournal;
