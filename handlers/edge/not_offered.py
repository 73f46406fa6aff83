"""The parts of the official API that are not offered, each with the reason (openai-wire 11).

They are no routes: the edge asks here about each path without a route, whatever the method. `PARTS`
has single calls that are missing within parts that are offered.
"""

_AGENTS = "the upstream runs no agents of this kind"
_CHATS = "what the upstream keeps are conversations; use chat completions"
_NO_CALLS = "the upstream calls nobody back"
_RETIRED = "OpenAI itself has retired it"
_TRAINS_NOTHING = "the upstream trains no models"
_OWN_KEYS = "there is nothing to manage, since all callers bring keys of their own"
REASONS = {
    "agents": _AGENTS,
    "assistants": _CHATS,
    "audio/translations": "the upstream writes recordings down in the language that they are in;"
    " transcribe one, and ask a chat to translate the text",
    "audio/voice_consents": "the upstream makes no voices",
    "audio/voices": "the upstream makes no voices",
    "batches": "the upstream takes one turn at a time; use chat completions",
    "chatkit": "the upstream has no workflows",
    "content_provenance_checks": "the upstream examines no pictures for their origin",
    "containers": "code is run by asking for it in a chat",
    "decisions": _AGENTS,
    "edits": _RETIRED,
    "embeddings": "the upstream makes no embeddings",
    "engines": f"{_RETIRED}; the models are at /v1/models",
    "evals": "the upstream runs no evaluations",
    "fine-tunes": _TRAINS_NOTHING,
    "fine_tuning": _TRAINS_NOTHING,
    "live": "the upstream's voice mode cannot be had through this gateway",
    "moderations": "the upstream judges no text besides its own conversations",
    "organization": _OWN_KEYS,
    "projects": _OWN_KEYS,
    "realtime": "the upstream's voice mode cannot be had through this gateway",
    "safety": _OWN_KEYS,
    "skills": "the upstream keeps no skills",
    "threads": _CHATS,
    "uploads": "files come in one piece; use /v1/files",
    "vaults": _AGENTS,
    "vector_stores": "the upstream keeps no vectors; name files in a chat completion",
    "videos": "the upstream makes no videos",
    "webhook_endpoints": _NO_CALLS,
    "webhook_event_types": _NO_CALLS,
}
PARTS = {
    "chat/completions": "chats are not kept here; responses are",
    "models": "the models are the upstream's own",
}
OF_ANTHROPIC = {
    "complete": "Anthropic itself has retired it; use /v1/messages",
    "messages/batches": "the upstream takes one turn at a time; use /v1/messages",
    "organizations": _OWN_KEYS,
}
_SOCKET = "responses"  # the path where Codex tries a WebSocket first


def reason_for(path: str, base: str) -> str | None:
    """Return the reason for which a path of the official API is not offered, None for other paths.

    Args:
        path: the request's, without its query.
        base: the part before `/v1` in the API's paths; empty without a prefix.
    """
    parts = _below(path, base).split("/")
    names = (parts[0], "/".join(parts[:2]))
    known = REASONS | PARTS | OF_ANTHROPIC
    return next((known[name] for name in reversed(names) if name in known), None)


def is_socket(path: str, base: str) -> bool:
    """Tell whether a GET of this path is for the WebSocket of responses, upgraded or not."""
    return _below(path, base) == _SOCKET


def _below(path: str, base: str) -> str:
    """Return the part after `/v1/` of a path of the API; empty for another path."""
    start = f"{base}/v1/"
    return path.removeprefix(start) if path.startswith(start) else ""
