//! Providers of what is no chat: vectors, rankings, images, sound.

use crate::{Api, Auth};

impl Api {
    /// Cohere, version 2 of its API.
    pub const COHERE: Self = Self::bearer("cohere", "https://api.cohere.com/v2", "COHERE_API_KEY");

    /// Voyage AI.
    pub const VOYAGE: Self = Self::bearer("voyage", "https://api.voyageai.com/v1", "VOYAGE_API_KEY");

    /// Jina AI.
    pub const JINA: Self = Self::bearer("jina", "https://api.jina.ai/v1", "JINA_API_KEY");

    /// Any server that ranks as Jina does: vLLM, llama.cpp, Infinity, ...
    pub const JINA_COMPATIBLE: Self = Self { provider: "jina-compatible", ..Self::OPENAI_COMPATIBLE };

    /// Mistral.
    pub const MISTRAL: Self = Self::bearer("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY");

    /// Replicate.
    pub const REPLICATE: Self =
        Self::bearer("replicate", "https://api.replicate.com/v1", "REPLICATE_API_TOKEN");

    /// Black Forest Labs.
    pub const BLACK_FOREST_LABS: Self = Self {
        auth: Auth::header("x-key"),
        ..Self::bearer("black-forest-labs", "https://api.bfl.ai/v1", "BFL_API_KEY")
    };

    /// Stability AI, version 2 of its API.
    pub const STABILITY: Self =
        Self::bearer("stability", "https://api.stability.ai/v2beta", "STABILITY_API_KEY");

    /// remove.bg.
    pub const REMOVE_BG: Self = Self {
        auth: Auth::header("x-api-key"),
        ..Self::bearer("remove-bg", "https://api.remove.bg/v1.0", "REMOVE_BG_API_KEY")
    };

    /// Deepgram.
    pub const DEEPGRAM: Self = Self {
        auth: Auth { header: "authorization", before: "Token " },
        ..Self::bearer("deepgram", "https://api.deepgram.com/v1", "DEEPGRAM_API_KEY")
    };

    /// ElevenLabs.
    pub const ELEVENLABS: Self = Self {
        auth: Auth::header("xi-api-key"),
        ..Self::bearer("elevenlabs", "https://api.elevenlabs.io/v1", "ELEVENLABS_API_KEY")
    };
}
