//! Stepwell: durable, sandboxed AI workflow automation
