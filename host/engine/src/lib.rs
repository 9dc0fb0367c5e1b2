//! Drives runs: core decides, sandbox executes, store remembers
