"""What is asked of which mock, and what must come of it."""

import base64
import json
import re
import struct
import zlib
from dataclasses import dataclass, field

ABSENT = object()


@dataclass
class Blob:
    """Stands in an input for a blob of `BLOBS`."""

    name: str


@dataclass
class At:
    """Stands in an input for an address of the mock."""

    path: str


@dataclass
class Case:
    """One node, run once."""

    mock: str
    name: str
    step: str
    config: dict
    input: dict
    expected: dict
    secrets: list = field(default_factory=list)
    base: str = ""  # the path of the mock's address
    address: str = "base_url"  # the field of the config that it goes into
    before: list = field(default_factory=list)  # what the mock is told first
    after: tuple = ()  # a path of the mock, and what it must answer
    methods: list = field(default_factory=lambda: ["POST"])
    timeout: str = "20s"
    node: dict = field(default_factory=dict)  # further fields of the node
    kept: callable = None  # the reference, in the output, of a blob that must hold `bytes`
    bytes: bytes = b""


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b"".join([
    b"\x89PNG\r\n\x1a\n",
    chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)),
    chunk(b"IDAT", zlib.compress((b"\0" + b"\x40\x80\xc0" * 8) * 8)),
    chunk(b"IEND", b""),
])
PCM = b"\0\0" * 1600
WAV = b"RIFF" + struct.pack("<I", 36 + len(PCM)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
WAV += b"data" + struct.pack("<I", len(PCM)) + PCM
MP3 = b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x00" + b"\0" * 413

BLOBS = {"photo": (PNG, "image/png", "photo.png"), "sound": (WAV, "audio/wav", "sound.wav")}

ASKED = "What is the capital of France?"
SAID = "The capital is Paris."

# The address below the mock's, the secret, and a model whose price the table of models has.
PROVIDERS = {
    "openai": ("/v1", "OPENAI_API_KEY", "gpt-4o-mini"),
    "openai-responses": ("/v1", "OPENAI_API_KEY", "gpt-4o-mini"),
    "anthropic": ("/v1", "ANTHROPIC_API_KEY", "claude-haiku-4-5"),
    "gemini": ("/v1beta", "GEMINI_API_KEY", "gemini-2.5-flash"),
    "openai-compatible": ("/v1", "OPENAI_API_KEY", "some-model"),
}
# Usage records, and the error's words, have the provider's name; both APIs of OpenAI are OpenAI's.
NAMES = {"openai-responses": "openai"}

PLACE_SCHEMA = {
    "type": "object",
    "required": ["city", "people"],
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}


def chat(mock, name, provider, expected, prompt=ASKED, base=None, config=None, key=None, **more):
    """`llm-chat` with a provider: `key` is the secret, in place of the provider's own."""
    path, secret, model = PROVIDERS[provider]
    secret = key or secret
    config = {"provider": provider, "model": model, **(config or {})}
    if key or provider == "openai-compatible":
        config["api_key_secret"] = secret
    given = prompt if isinstance(prompt, dict) else {"prompt": prompt}
    return Case(
        mock, f"{provider}, {name}", "llm-chat", config, given, expected,
        secrets=[secret] if secret else [], base=path if base is None else base, **more,
    )


def failure(kind, cause, message="", **more):
    return {"failure": {"kind": kind, "message": re.compile(message), "detail": {"cause": cause}, **more}}


def used(provider, model, input_tokens, output_tokens, cost):
    return {
        "provider": NAMES.get(provider, provider), "model": model,
        "input_tokens": input_tokens, "output_tokens": output_tokens, "cost_micro_usd": cost,
    }


def positive(number):
    return number > 0


CASES = []
STEPS = [
    "classify", "email-send", "embed", "extract", "http-request", "image-edit", "image-generate", "llm-chat", "moderate", "notify",
    "ocr", "rerank", "speak", "summarize", "transcribe",
]

# --- aimock

USAGE = {
    "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200, "input_tokens": 1000, "output_tokens": 200,
    "promptTokenCount": 1000, "candidatesTokenCount": 200, "totalTokenCount": 1200,
}
COSTS = {"openai": 270, "openai-responses": 270, "anthropic": 2000, "gemini": 800, "openai-compatible": None}
PLACE = {"city": "Paris", "people": 2103778}


def says(asked, response, **more):
    return {"match": {"userMessage": asked, "endpoint": "chat"}, "response": response, **more}


def refuses(asked, status, message, kind, code=None, **more):
    error = {"message": message, "type": kind, **({"code": code} if code else {})}
    return says(asked, {"error": error, "status": status, **more})


TRANSCRIPT = {
    "text": "Hello there.", "language": "english", "duration": 2.5,
    "segments": [{"id": 0, "start": 0.0, "end": 2.5, "text": " Hello there."}],
}
INVOICE = {"number": "12", "total": 30}
AIMOCK = [
    {"match": {"endpoint": "image"}, "response": {"image": {"b64Json": base64.b64encode(PNG).decode(), "revisedPrompt": "a cat"}}},
    {"match": {"endpoint": "elevenlabs-tts"}, "response": {"audio": base64.b64encode(MP3).decode(), "format": "mp3"}},
    {"match": {"endpoint": "speech"}, "response": {"audio": base64.b64encode(MP3).decode(), "format": "mp3"}},
    {"match": {"endpoint": "transcription"}, "response": {"transcription": TRANSCRIPT}},
    {"match": {"endpoint": "embedding", "inputText": "exactly"}, "response": {"embedding": [0.5, -0.25, 0.125]}},
    says(ASKED, {"content": SAID, "usage": USAGE}),
    says("as JSON", {"content": json.dumps(PLACE), "usage": USAGE}),
    says("thinking", {"content": SAID, "reasoning": "Let me think about capitals.", "usage": USAGE}),
    says("a tool alone", {"toolCalls": [{"name": "look_up", "arguments": {"city": "Paris"}}], "usage": USAGE}),
    says("text and a tool", {"content": SAID, "toolCalls": [{"name": "look_up", "arguments": {}}], "usage": USAGE}),
    says("too long an answer", {"content": "The capital", "finishReason": "length", "usage": USAGE}),
    says("a filtered answer", {"content": "I", "finishReason": "content_filter", "usage": USAGE}),
    says("a refusal", {"content": "I", "finishReason": "refusal", "usage": USAGE}),
    # Slow enough that what was sent has arrived when the connection is torn down.
    says("cut", {"content": SAID * 20}, truncateAfterChunks=3, latency=50),
    says("malformed", {"content": SAID}, chaos={"malformedRate": 1}),
    says("dropped", {"content": SAID}, chaos={"dropRate": 1}),
    says("disconnected", {"content": SAID}, chaos={"disconnectRate": 1}),
    refuses("too often", 429, "Slow down.", "rate_limit_error", "rate_limit_exceeded", retryAfter=7),
    refuses("no credit", 429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
    refuses("broken", 500, "The server had an error.", "server_error"),
    refuses("overloaded", 529, "Overloaded", "overloaded_error"),
    says("Where is the invoice", {"content": json.dumps({"because": "It asks for one.", "choice": "Billing", "confidence": 0.9})}),
    says("Invoice 12 of 30 euros", {"content": json.dumps({"fields": INVOICE, "quotes": [{"field": "/number", "quote": "Invoice 12"}]})}),
    says("A long story", {"content": "It ends well."}),
    says("This is the document", {"content": json.dumps({"pages": ["# Read aloud"], "language": "en"})}),
    refuses("unknown model", 404, "The model `x` does not exist", "invalid_request_error", "model_not_found"),
]

for provider, (_, _, model) in PROVIDERS.items():
    for stream in (False, True):
        how = "streamed" if stream else "whole"
        config = {"stream": stream}

        def ask(name, expected, asked, **more):
            CASES.append(chat("aimock", f"{how}: {name}", provider, expected, asked, config={**config, **more}))

        usage = [used(provider, re.compile(model), 1000, 200, COSTS[provider] or ABSENT)]
        ask("an answer", {"output": {"text": SAID, "model": re.compile(model)}, "usage": usage}, ASKED)
        ask("a schema", {"output": PLACE, "usage": usage}, "Paris, as JSON", schema=PLACE_SCHEMA)
        ask("a model that thinks", {"output": {"text": SAID}, "usage": usage}, "thinking")
        ask("a tool alone", {**failure("retryable", "empty", "look_up"), "usage": usage}, "a tool alone")
        ask("text and a tool", {"output": {"text": SAID}}, "text and a tool")
        ask("cut at the most tokens", {**failure("permanent", "length_limit"), "usage": usage}, "too long an answer")
        if provider == "anthropic":
            ask("refused", {**failure("permanent", "refused"), "usage": usage}, "a refusal")
        elif provider == "openai-responses":
            # The mock has no incomplete answers here: it tells of one that failed, without an error in it.
            ask("failed", failure("retryable", "provider_failed"), "a filtered answer")
        else:
            ask("filtered", {**failure("permanent", "refused"), "usage": usage}, "a filtered answer")
        ask("429", failure("retryable", "rate_limited", "Slow down", retry_after_ms=7000), "too often")
        ask("no credit", failure("permanent", "no_credit", "quota"), "no credit")
        ask("500", failure("retryable", "provider_failed", "answered 500"), "broken")
        ask("529", failure("retryable", "overloaded"), "overloaded")
        ask("unknown model", failure("permanent", "unknown_model"), "unknown model")
        ask("malformed", failure("retryable", "not_json"), "malformed")
        ask("disconnected", failure("retryable", "unreachable"), "disconnected")
        if stream:
            ask("cut", failure("retryable", "cut"), "cut")
    CASES.append(chat("aimock", "a wrong key", provider, failure("permanent", "bad_key"), key="A_WRONG_KEY"))


def media(mock, name, step, provider, config, given, expected, base, secret="OPENAI_API_KEY", **more):
    """A step that is no chat."""
    return Case(mock, f"{step}, {provider}, {name}", step, {"provider": provider, **config}, given, expected,
                secrets=[secret], base=base, **more)


CASES += [
    media("aimock", "a label", "classify", "openai", {"labels": [{"name": "Billing"}, {"name": "Technical"}]},
          {"text": "Where is the invoice?"}, {"output": {"label": "Billing", "confidence": 0.9, "abstained": False}}, "/v1"),
    media("aimock", "fields", "extract", "anthropic",
          {"schema": {"type": "object", "properties": {"number": {"type": ["string", "null"]}, "total": {"type": ["number", "null"]}}}},
          {"text": "Invoice 12 of 30 euros"}, {"output": {"fields": INVOICE, "spans": {"/number": {"start": 0, "end": 10}}, "unverified": [{"field": "/total"}]}}, "/v1",
          "ANTHROPIC_API_KEY"),
    media("aimock", "a text", "summarize", "gemini", {"words": 60}, {"text": "A long story"}, {"output": {"summary": "It ends well."}},
          "/v1beta", "GEMINI_API_KEY"),
]
for provider, base, secret in [("openai", "/v1", "OPENAI_API_KEY"), ("openai-responses", "/v1", "OPENAI_API_KEY"),
                               ("anthropic", "/v1", "ANTHROPIC_API_KEY"), ("gemini", "/v1beta", "GEMINI_API_KEY")]:
    CASES.append(media("aimock", "a picture", "ocr", provider, {}, {"documents": [Blob("photo")]},
                       {"output": {"text": "# Read aloud"}}, base, secret))

CASES += [
    media("aimock", "the mock's own vectors", "embed", "openai", {"dimensions": 8}, {"texts": ["one", "two"]},
          {"output": {"count": 2, "dimensions": 8, "embeddings": lambda it: it[0] != it[1]}, "usage": [{"provider": "openai"}]}, "/v1"),
    media("aimock", "a vector that is known", "embed", "openai", {}, {"text": "exactly"},
          {"output": {"embeddings": [[0.5, -0.25, 0.125]]}}, "/v1"),
    media("aimock", "as a blob", "embed", "openai", {"store": "blob"}, {"text": "exactly"}, {"output": {"count": 1, "dimensions": 3}}, "/v1",
          kept=lambda output: output["blob"], bytes=struct.pack("<3f", 0.5, -0.25, 0.125)),
    media("aimock", "vectors", "embed", "cohere", {"purpose": "query"}, {"texts": ["exactly", "exactly"]},
          # The mock tells no billed units, as Cohere does: then a call is recorded, and not what it cost.
          {"output": {"count": 2, "embeddings": [[0.5, -0.25, 0.125]] * 2}, "usage": [{"provider": "cohere", "input_tokens": 0}]},
          "/v2", "COHERE_API_KEY"),
    media("aimock", "by cosine", "rerank", "openai", {}, {"query": "the very same", "documents": ["something else", "the very same"]},
          {"output": {"ranked": [{"index": 1, "score": lambda score: abs(score - 1) < 1e-6}, {"index": 0}]}}, "/v1"),
    media("aimock", "nothing flagged", "moderate", "openai", {}, {"text": "Good morning."},
          {"output": {"flagged": False, "verdict": "allow", "categories": {"violence": {"score": 0}}},
           "usage": [{"model": "omni-moderation-latest", "cost_micro_usd": 0}]}, "/v1"),
    media("aimock", "a text and an image", "moderate", "openai", {}, {"text": "Look.", "images": [Blob("photo")]},
          {"output": {"flagged": False}, "usage": [{}, {}]}, "/v1"),
    media("aimock", "one", "image-generate", "openai", {"size": "1024x1024", "quality": "low"}, {"prompt": "a cat"},
          {"output": {"state": "done", "images": [{"image": {"media_type": "image/png"}, "revised_prompt": "a cat"}]}}, "/v1",
          kept=lambda output: output["images"][0]["image"], bytes=PNG),
    media("aimock", "Imagen", "image-generate", "gemini", {"model": "imagen-4.0-generate-001"}, {"prompt": "a cat"},
          {"output": {"state": "done", "images": [{"image": {"media_type": "image/png"}}]}, "usage": [{"cost_micro_usd": 40000}]}, "/v1beta",
          "GEMINI_API_KEY", kept=lambda output: output["images"][0]["image"], bytes=PNG),
    media("aimock", "an edit", "image-edit", "openai", {"operation": "edit"}, {"image": Blob("photo"), "prompt": "a dog"},
          {"output": {"state": "done", "images": [{"image": {"media_type": "image/png"}}]}}, "/v1",
          kept=lambda output: output["images"][0]["image"], bytes=PNG),
    media("aimock", "MP3", "speak", "openai", {"voice": "alloy"}, {"text": "Hello there."},
          {"output": {"sound": {"media_type": "audio/mpeg"}, "parts": 1, "characters": 12}, "usage": [{"cost_micro_usd": 180}]}, "/v1",
          kept=lambda output: output["sound"], bytes=MP3),
    media("aimock", "MP3", "speak", "elevenlabs", {}, {"text": "Hello there."}, {"output": {"sound": {"media_type": "audio/mpeg"}}}, "/v1",
          "ELEVENLABS_API_KEY", kept=lambda output: output["sound"], bytes=MP3),
    media("aimock", "with times", "transcribe", "openai", {"model": "whisper-1"}, {"sound": Blob("sound"), "language": "en"},
          {"output": {"text": "Hello there.", "segments": [{"start": 0, "end": 2.5, "text": "Hello there."}], "duration_seconds": 2.5},
           "usage": [{"model": "whisper-1", "cost_micro_usd": 300}]}, "/v1"),
    media("aimock", "the text alone", "transcribe", "openai", {"model": "gpt-4o-mini-transcribe"}, {"sound": Blob("sound")},
          {"output": {"text": "Hello there."}, "usage": [{"model": "gpt-4o-mini-transcribe"}]}, "/v1"),
]

# --- llmock: the same chats with scripted faults, and its own judgement of the client

LLMOCK = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "/anthropic/v1", "gemini": "/gemini/v1beta", "openai-compatible": "/mistral/v1"}


def scripted(*behaviours):
    return [("POST", "/_llmock/reset", {}), ("POST", "/_llmock/scenario", {"behaviors": list(behaviours)})]


for provider, base in LLMOCK.items():
    model = re.compile(PROVIDERS[provider][2])

    def ask(name, behaviour, expected, stream=False, **more):
        config = {"stream": stream, **more.pop("config", {})}
        CASES.append(chat("llmock", f"{'streamed' if stream else 'whole'}: {name}", provider, expected, base=base, config=config,
                          before=scripted(*behaviour), after=("/_llmock/verdict", {"errors": 0}), **more))

    for stream in (False, True):
        usage = [{"model": model, "input_tokens": positive, "output_tokens": positive}]
        ask("an answer", [{"type": "reply", "text": SAID}], {"output": {"text": SAID}, "usage": usage}, stream)
        # The mock makes an answer of the schema that it is sent, but for Anthropic's: that answer is asked for once more.
        fits = {"output": {"city": re.compile("."), "people": positive}, "usage": usage}
        misfits = {**failure("retryable", "misfit"), "usage": usage * 2}
        ask("a schema", [{"type": "delay", "seconds": 0}], misfits if provider == "anthropic" else fits, stream, config={"schema": PLACE_SCHEMA})
        ask("a tool that nobody offered", [{"type": "reply", "tool_calls": [{"name": "look_up", "arguments": {}}]}],
            failure("retryable", "empty", "look_up"), stream)
        ask("cut at the most tokens", [{"type": "reply", "text": "The capital", "finish_reason": "length"}],
            failure("permanent", "length_limit"), stream)
        if provider != "openai-responses":  # the mock has no such answer of theirs
            ask("filtered", [{"type": "reply", "text": "The", "finish_reason": "content_filter"}], failure("permanent", "refused"), stream)
        ask("429, and then an answer", [{"type": "fail", "status": 429, "retry_after": 2}, {"type": "reply", "text": SAID}],
            {"output": {"text": SAID}, "attempts": 2, "seconds": lambda seconds: seconds >= 2}, stream,
            node={"retry": {"attempts": 3, "delay": "100ms", "on": ["retryable"]}})
        for status, kind, cause in [(401, "permanent", "bad_key"), (403, "permanent", "forbidden"), (500, "retryable", "provider_failed"),
                                    (503, "retryable", re.compile("overloaded|provider_failed")), (400, "permanent", "bad_request")]:
            ask(str(status), [{"type": "fail", "status": status}], failure(kind, cause), stream)
        ask("no time for a slow answer", [{"type": "delay", "seconds": 5}], failure("retryable", "timeout"), stream, config={"timeout_ms": 500})
    fault = {"type": "stream_fault", "after_chunks": 2}
    # The mock cannot see that half an answer was not taken but by its being asked for again.
    ask("truncated, and asked again", [{"type": "reply", "text": SAID, "times": 2}, {**fault, "kind": "truncate"}],
        {"output": {"text": SAID}, "attempts": 2}, True, node={"retry": {"attempts": 2, "delay": "100ms", "on": ["retryable"]}})
    ask("disconnected", [{"type": "reply", "text": SAID}, {**fault, "kind": "disconnect"}], failure("retryable", "cut"), True)
    ask("malformed", [{"type": "reply", "text": SAID}, {**fault, "kind": "malformed"}], failure("retryable", "not_json"), True)
    ask("stalled", [{"type": "reply", "text": SAID}, {**fault, "kind": "stall", "stall_seconds": 20}], {"failure": {"kind": "timeout"}}, True,
        timeout="3s")
    ask("slow to begin", [{"type": "reply", "text": SAID}, {"type": "slow_first_token", "seconds": 2}], {"output": {"text": SAID}}, True)
for name, base in [("Mistral", "/mistral/v1"), ("Groq", "/groq/openai/v1"), ("Together", "/together/v1"), ("xAI", "/xai/v1"),
                   ("Perplexity", "/perplexity/v1")]:
    for stream in (False, True):
        CASES.append(chat("llmock", f"{name}'s, {'streamed' if stream else 'whole'}", "openai-compatible", {"output": {"text": SAID}},
                          base=base, config={"stream": stream}, before=scripted({"type": "reply", "text": SAID})))
    CASES.append(chat("llmock", f"{name}'s 429", "openai-compatible", failure("retryable", "rate_limited", retry_after_ms=3000),
                      base=base, before=scripted({"type": "fail", "status": 429, "retry_after": 3})))

SOME_TEXT = {"output": {"text": re.compile(".")}}

# --- the vendors' own descriptions of their APIs: what does not fit is refused by Prism with a 422

PHOTOGRAPHED = {"prompt": "What is this?", "images": [Blob("photo")]}
CONVERSATION = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello."},
                             {"role": "assistant", "content": "Good day."}, {"role": "user", "content": ASKED}]}
OPTIONS = {"temperature": 0.5, "max_tokens": 500, "system": "Be brief."}
EXAMPLES = {"examples": [{"input": "Rome?", "output": {"city": "Rome", "people": 2746984}}]}
# The request is what is tried: the answer is an example, of any content. It may be no image, no JSON that was asked for, a refusal.
FITS = {"refused": None, "failure": lambda _: True}


def fits(*arguments, **more):
    return media(*arguments[:6], FITS, *arguments[6:], **more)


for mock, provider, base in [("openai-spec", "openai", ""), ("openai-spec", "openai-responses", ""), ("anthropic-spec", "anthropic", "/v1"),
                             ("gemini-spec", "gemini", "/v1beta")]:
    for name, prompt, config in [
        ("a question", ASKED, {}),
        ("options", ASKED, OPTIONS),
        ("a conversation", CONVERSATION, {}),
        ("an image", PHOTOGRAPHED, {}),
        ("a schema and examples", ASKED, {"schema": PLACE_SCHEMA, **EXAMPLES}),
        ("a schema in words", ASKED, {"schema": PLACE_SCHEMA, "response_format": "prompt"}),
    ]:
        CASES.append(chat(mock, name, provider, FITS, prompt, base=base, config=config))
    # That the mock does refuse.
    asked = {"openai-responses": "model", "gemini": "contents"}.get(provider, "messages")
    CASES.append(chat(mock, "a request that does not fit", provider, {**failure("permanent", "bad_request"), "refused": positive}, base=base,
                      config={"extra": {asked: 5}}))

CASES += [
    fits("openai-spec", "texts", "embed", "openai", {"dimensions": 1536}, {"texts": ["one"]}, ""),
    media("openai-spec", "a text", "moderate", "openai", {}, {"text": "one"}, {"output": {"flagged": True, "verdict": "block"}}, ""),
    media("openai-spec", "an image", "moderate", "openai", {}, {"images": [Blob("photo")]}, {"output": {"flagged": True}}, ""),
    fits("openai-spec", "options", "image-generate", "openai",
         {"size": "1024x1024", "quality": "high", "format": "webp", "background": "opaque", "count": 2}, {"prompt": "a cat"}, ""),
    fits("openai-spec", "an edit", "image-edit", "openai", {"operation": "edit"}, {"image": Blob("photo"), "prompt": "a dog"}, ""),
    fits("openai-spec", "options", "speak", "openai",
         {"model": "gpt-4o-mini-tts", "voice": "coral", "format": "wav", "speed": 1.5, "instructions": "slowly"}, {"text": "Hello."}, ""),
    media("openai-spec", "options", "transcribe", "openai", {}, {"sound": Blob("sound"), "language": "en", "prompt": "Ada"}, SOME_TEXT, ""),
    media("openai-spec", "speakers", "transcribe", "openai", {"model": "gpt-4o-transcribe-diarize", "speakers": True},
          {"sound": Blob("sound")}, SOME_TEXT, ""),
    media("cohere-spec", "documents", "rerank", "cohere", {"top_n": 3}, {"query": "capital", "documents": ["a", "b", "c", "d", "e"]},
          {"output": {"ranked": [{"index": 0, "document": "a"}]}}, "/v2", "COHERE_API_KEY"),
    fits("cohere-spec", "texts", "embed", "cohere", {"dimensions": 256, "purpose": "document"}, {"texts": ["one"]}, "/v2", "COHERE_API_KEY"),
]
for name, step, config, given in [
    ("texts", "embed", {"dimensions": 256, "purpose": "document"}, {"texts": ["one"]}),
    ("a picture", "image-generate", {"aspect_ratio": "16:9"}, {"prompt": "a cat"}),
    ("Imagen", "image-generate", {"model": "imagen-4.0-generate-001", "aspect_ratio": "16:9"}, {"prompt": "a cat"}),
    ("an edit", "image-edit", {"operation": "edit"}, {"image": Blob("photo"), "prompt": "a dog"}),
    ("speech", "speak", {"voice": "Kore", "instructions": "slowly"}, {"text": "Hello."}),
    ("a document", "ocr", {}, {"documents": [Blob("photo")]}),
]:
    CASES.append(fits("gemini-spec", name, step, "gemini", config, given, "/v1beta", "GEMINI_API_KEY"))
CASES += [
    fits("vision-spec", "a document", "ocr", "google-vision", {"language": "de"}, {"documents": [Blob("photo")]}, "/v1", "GOOGLE_API_KEY"),
    fits("anthropic-spec", "a document", "ocr", "anthropic", {}, {"documents": [Blob("photo")]}, "/v1", "ANTHROPIC_API_KEY"),
    fits("openai-spec", "a document", "ocr", "openai", {}, {"documents": [Blob("photo")]}, ""),
    fits("openai-spec", "labels", "classify", "openai", {"labels": [{"name": "A"}, {"name": "B"}]}, {"text": "Which?"}, ""),
]

# --- the others

STUBLLM = [
    {"name": "answer", "match": {"messages": [{"role": "user", "content": {"contains": ASKED}}]},
     "response": {"content": SAID, "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}}},
    {"name": "often", "match": {"messages": [{"role": "user", "content": {"contains": "too often"}}]},
     "response": {"http_status": 429, "error_message": "Slow down."}},
    {"name": "broken", "match": {"messages": [{"role": "user", "content": {"contains": "broken"}}]},
     "response": {"http_status": 503, "error_message": "No."}},
]
ECHO = """{
  "id": "chatcmpl-1", "object": "chat.completion", "model": "{{jmes request body.model}}",
  "choices": [{"message": {"role": "assistant", "content": "{{jmes request body.messages[-1].content}}"}, "finish_reason": "stop"}]
}"""
MOCK_LLM = [
    {"path": "/v1/chat/completions", "method": "POST", "match": "@", "response": {"status": 200, "content": ECHO}},
    {"path": "/v1/chat/completions", "method": "POST", "match": "contains(body.messages[-1].content, 'denied')",
     "response": {"status": 401, "content": '{"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}}'}},
]

for stream in (False, True):
    how = "streamed" if stream else "whole"
    config = {"stream": stream}
    for mock, providers in {
        "fakellm": [("openai", "/v1"), ("anthropic", "/v1")],
        # What these two stream as Anthropic's is not that: events without a beginning, or of other types.
        "mockllm": [("openai", "/v1")] + ([] if stream else [("anthropic", "/v1")]),
        "stubllm": [("openai", "/v1"), ("gemini", "/v1beta")] + ([] if stream else [("anthropic", "/v1")]),
        "llm-mock-api": [("openai", "/v1"), ("openai-responses", "/v1"), ("anthropic", "/v1")],
    }.items():
        for provider, base in providers:
            CASES.append(chat(mock, how, provider, {"output": {"text": SAID}}, base=base, config=config))
    for provider in ("openai", "anthropic", "gemini"):
        base = PROVIDERS[provider][0]
        CASES.append(chat("stubllm", f"{how}: 429", provider, failure("retryable", "rate_limited", "Slow"), "too often", base=base, config=config))
        CASES.append(chat("stubllm", f"{how}: 503", provider, failure("retryable", re.compile("overloaded|provider_failed")), "broken", base=base,
                          config=config))
    CASES.append(chat("mock-llm", how, "openai-compatible", {"output": {"text": ASKED}}, config=config))
    # Of a stream it makes a 200 with the error in it.
    refused = failure("permanent", "bad_request" if stream else "bad_key")
    CASES.append(chat("mock-llm", f"{how}: 401", "openai-compatible", refused, "denied", config=config))

CASES += [
    media("ai-protocol-mock", "documents", "rerank", "cohere", {"top_n": 2}, {"query": "q", "documents": ["a", "b", "c"]},
          {"output": {"ranked": [{"index": 0}, {"index": 1}]}}, "/v2", "COHERE_API_KEY"),
    media("ai-protocol-mock", "documents", "rerank", "jina-compatible", {"model": "m", "api_key_secret": "JINA_API_KEY"},
          {"query": "q", "documents": ["a", {"text": "b"}]}, {"output": {"ranked": [{"index": 0}, {"index": 1}]}}, "/v2", "JINA_API_KEY"),
    media("ai-protocol-mock", "the text", "transcribe", "openai", {}, {"sound": Blob("sound")}, SOME_TEXT, "/v1"),
    media("ai-protocol-mock", "MP3", "speak", "openai", {}, {"text": "Hello."}, {"output": {"sound": {"media_type": "audio/mpeg"}}}, "/v1"),
    Case("resend-local", "an e-mail", "email-send", {"provider": "resend", "from": "Billing <billing@example.com>"},
         {"to": ["Ann <ann@example.com>", "bob@example.com"], "cc": "carl@example.com", "reply_to": "help@example.com", "subject": "Hello",
          "text": "Good day.", "html": "<p>Good day.</p>", "tags": ["invoice"], "metadata": {"number": "12"}, "attachments": [Blob("photo")]},
         {"output": {"id": re.compile("."), "provider": "resend", "recipients": 3}}, secrets=["RESEND_API_KEY"]),
]


def request(name, config, given, expected, **more):
    return Case("httpbin", name, "http-request", config, given, expected, address="", methods=["GET", "POST"], **more)


def notify(name, given, expected, path="/post"):
    return Case("httpbin", name, "notify", {"service": "webhook"}, {"url": At(path), **given}, expected, address="")


CASES += [
    request("a query and a key", {"auth": {"bearer": "SHOP_KEY"}}, {"url": At("/anything"), "query": {"a": "1 & 2", "b": ["x", "y"]}},
            {"output": {"status": 200, "json": {"args": {"a": "1 & 2", "b": ["x", "y"]}, "headers": {"Authorization": "Bearer {{secret.SHOP_KEY}}"}}}},
            secrets=["SHOP_KEY"]),
    request("JSON", {}, {"method": "POST", "url": At("/post"), "json": {"a": [1, None]}}, {"output": {"json": {"json": {"a": [1, None]}}}}),
    request("a form", {}, {"method": "POST", "url": At("/post"), "form": {"a": ["1", "ä"]}}, {"output": {"json": {"form": {"a": ["1", "ä"]}}}}),
    request("a form with a file", {}, {"method": "POST", "url": At("/post"), "multipart": [{"name": "note", "text": "ä"},
            {"name": "photo", "blob": Blob("photo")}]},
            {"output": {"json": {"form": {"note": "ä"}, "files": {"photo": "data:image/png;base64," + base64.b64encode(PNG).decode()}}}}),
    request("an image, kept", {"save": True}, {"url": At("/image/png")}, {"output": {"blob": {"media_type": "image/png"}}}),
    request("redirects", {}, {"url": At("/redirect/3")}, {"output": {"status": 200, "url": re.compile("/get$")}}),
    request("too many redirects", {"max_redirects": 2}, {"url": At("/redirect/3")}, {"failure": {"kind": "retryable", "message": re.compile("redirect")}}),
    request("gzip", {}, {"url": At("/gzip")}, {"output": {"json": {"gzipped": True}}}),
    request("chunks", {}, {"url": At("/stream-bytes/5000?chunk_size=100&seed=1")}, {"output": {"status": 200}}),
    request("another encoding", {}, {"url": At("/encoding/utf8")}, {"output": {"text": re.compile("∮")}}),
    request("503", {}, {"url": At("/status/503")}, {"failure": {"kind": "retryable"}}),
    request("404", {}, {"url": At("/status/404")}, {"failure": {"kind": "permanent"}}),
    request("a status that is wanted", {"expect": [418]}, {"url": At("/status/418")}, {"output": {"status": 418}}),
    request("a slow answer", {"timeout_ms": 500}, {"url": At("/delay/4")}, {"failure": {"kind": "retryable"}}),
    notify("a message", {"title": "Hello", "text": "There.", "severity": "error"}, {"output": {"service": "webhook"}}),
    notify("429", {"title": "Hello"}, {"failure": {"kind": "retryable"}}, "/status/429"),
    notify("403", {"title": "Hello"}, {"failure": {"kind": "permanent"}}, "/status/403"),
]
