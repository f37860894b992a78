"""What is known of other people's instrumentors: whose they are, what they record, and which is preferred. Data."""

from __future__ import annotations

from typing import Final, NamedTuple

FAMILIES: Final = {
    "OpenInference": "openinference-instrumentation-",
    "OpenTelemetry": "opentelemetry-instrumentation-genai-",
    "Traceloop": "opentelemetry-instrumentation-",
}
"""In order of preference. OpenInference keeps a graph's steps and sees local models; then comes the standard's own."""
OLDER_NAMES: Final = {
    "opentelemetry-instrumentation-google-genai": "google-genai",
    "opentelemetry-instrumentation-openai-agents-v2": "openai-agents",
    "opentelemetry-instrumentation-openai-v2": "openai",
}
"""The standard's own that do not bear its prefix."""
FRAMEWORKS: Final = frozenset({
    "agno", "dspy", "google-adk", "haystack", "langchain", "litellm", "llama-index", "openai-agents", "pydantic-ai",
    "smolagents",
})  # fmt: skip
"""Libraries whose instrumentors record the model calls that they make through a client."""
CLIENTS: Final = frozenset({
    "alephalpha", "anthropic", "bedrock", "cohere", "google-genai", "google-generativeai", "groq", "litellm",
    "mistralai", "ollama", "openai", "replicate", "sagemaker", "together", "vertexai", "watsonx", "writer",
})  # fmt: skip
"""Libraries that are such a client."""
OTHERS: Final = frozenset({
    "chromadb", "crewai", "lancedb", "marqo", "mcp", "milvus", "pinecone", "qdrant", "transformers", "weaviate",
})  # fmt: skip
"""Further libraries of the field. Traceloop's names look like anybody's: only what is listed is taken for theirs."""
SPELLINGS: Final = {"llamaindex": "llama-index"}
MODULES: Final = {
    "bedrock": "botocore",
    "google-adk": "google.adk",
    "google-genai": "google.genai",
    "google-generativeai": "google.generativeai",
    "langchain": "langchain_core",
    "llama-index": "llama_index.core",
    "openai-agents": "agents",
    "pydantic-ai": "pydantic_ai",
} | {
    name: name
    for name in (
        "agno", "anthropic", "chromadb", "cohere", "crewai", "dspy", "groq", "haystack", "litellm", "mcp", "mistralai",
        "ollama", "openai", "qdrant", "smolagents", "together", "transformers", "vertexai",
    )
}  # fmt: skip
"""The module whose import says that a library is used. An instrumentor of another library is turned on at once."""
_HIDDEN: Final = ("CHOICES", "EMBEDDINGS_TEXT", "INPUTS", "LLM_TOOLS", "OUTPUTS", "PROMPTS", "RETRIEVAL_DOCUMENTS")
PICTURES: Final = "OPENINFERENCE_HIDE_INPUT_IMAGES"
CONTENT: Final = {
    said: {f"OPENINFERENCE_HIDE_{part}": str(not said).lower() for part in _HIDDEN}
    | {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY" if said else "NO_CONTENT",
        "TRACELOOP_TRACE_CONTENT": str(said).lower(),
        PICTURES: str(not said).lower(),
    }
    for said in (True, False)
}
"""The instrumentors' own variables, for texts that are sent (True) or not."""


class Known(NamedTuple):
    """What a distribution instruments, and how much it is preferred: the lower rank comes first."""

    rank: tuple[int, int]
    library: str


def known(distribution: str) -> Known | None:
    """What is known of a distribution; None where it is no instrumentor of a GenAI library."""
    if (library := OLDER_NAMES.get(distribution)) is not None:
        return _ranked(library, "OpenTelemetry")
    if distribution == "pydantic-ai":
        return _ranked(distribution, "OpenTelemetry")
    for family, prefix in FAMILIES.items():
        if distribution.startswith(prefix):
            library = distribution.removeprefix(prefix)
            library = SPELLINGS.get(library, library)
            is_theirs = family != "Traceloop" or library in FRAMEWORKS | CLIENTS | OTHERS
            return _ranked(library, family) if is_theirs else None
    return None


def same_call(one: str, other: str) -> bool:
    """Whether instrumentors of two libraries record the same model call."""
    return one == other or any(a in FRAMEWORKS and b in CLIENTS for a, b in ((one, other), (other, one)))


def library_of(module: str) -> str | None:
    """The library that an instrumentor's module is for, such as `openlit.instrumentation.langchain.x`."""
    _, found, rest = module.partition(".instrumentation.")
    parts = [part for part in rest.split(".") if part != "genai"]
    name = parts[0].replace("_", "-").removesuffix("-v2") if found and parts else ""
    return SPELLINGS.get(name, name) or None


def _ranked(library: str, family: str) -> Known:
    depth = (library not in FRAMEWORKS) + (library in CLIENTS)
    return Known((depth, list(FAMILIES).index(family)), library)
