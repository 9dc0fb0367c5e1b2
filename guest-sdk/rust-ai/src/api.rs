//! Who can be asked, and how each wants to be addressed. Knows nothing of what they are asked for.

use crate::Work;

/// A provider's API, as its documents have it.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    /// In usage records, errors and the table of models.
    pub provider: &'static str,
    /// Without the path of a single call; none where each installation has its own.
    pub base_url: Option<&'static str>,
    /// What the secret with its key is called, unless the config calls it otherwise; none if it wants no key.
    pub key_secret: Option<&'static str>,
    /// Where the key goes.
    pub auth: Auth,
    /// What every request carries besides.
    pub headers: &'static [(&'static str, &'static str)],
}

/// The header that a key goes in.
#[derive(Debug, Clone, Copy)]
pub struct Auth {
    /// Its name.
    pub header: &'static str,
    /// What stands before the key: `Bearer `, or nothing.
    pub before: &'static str,
}

/// The providers of one kind of work: an enum whose variants a config names as `provider`.
pub trait Vendor: Copy {
    /// What they are asked for.
    const WORK: Work;

    /// How this one is asked.
    fn api(self) -> Api;
}

impl Auth {
    /// `Authorization: Bearer KEY`.
    pub const BEARER: Self = Self { header: "authorization", before: "Bearer " };

    /// The key alone in a header of that name.
    #[must_use]
    pub const fn header(header: &'static str) -> Self {
        Self { header, before: "" }
    }
}

impl Api {
    /// OpenAI.
    pub const OPENAI: Self = Self::bearer("openai", "https://api.openai.com/v1", "OPENAI_API_KEY");

    /// Anthropic.
    pub const ANTHROPIC: Self = Self {
        auth: Auth::header("x-api-key"),
        headers: &[("anthropic-version", "2023-06-01")],
        ..Self::bearer("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY")
    };

    /// Google's Gemini.
    pub const GEMINI: Self = Self {
        auth: Auth::header("x-goog-api-key"),
        ..Self::bearer("gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY")
    };

    /// Any server that speaks as OpenAI does: Ollama, vLLM, llama.cpp, ...
    pub const OPENAI_COMPATIBLE: Self = Self {
        provider: "openai-compatible",
        base_url: None,
        key_secret: None,
        auth: Auth::BEARER,
        headers: &[],
    };

    /// A provider whose key goes as a bearer token.
    #[must_use]
    pub const fn bearer(provider: &'static str, base_url: &'static str, key_secret: &'static str) -> Self {
        Self {
            provider,
            base_url: Some(base_url),
            key_secret: Some(key_secret),
            auth: Auth::BEARER,
            headers: &[],
        }
    }
}
