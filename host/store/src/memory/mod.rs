//! A journal and a catalogue in memory: for tests, which start quickly and keep nothing.

mod catalogue;
mod journal;

pub use catalogue::MemoryCatalogue;
pub use journal::MemoryJournal;
