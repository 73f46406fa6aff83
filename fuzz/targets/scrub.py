"""Target: captured streams, replayed and scrubbed, whatever a user takes for one."""

import json

from fuzz.inputs import transcripts
from fuzz.targets import pipeline
from service.recordings.replay import replay
from service.recordings.report import as_json, as_text
from service.recordings.scrub import scrub

MAX_BYTES = 2048
TOKENS = pipeline.TOKENS
KEY = b"0123456789abcdef"


def check(data: bytes) -> None:
    """Check that both always work, and their results can be written."""
    told = scrub(data, KEY)
    assert scrub(data, KEY) == told, "the same key, another copy"
    for capture in (data, told):
        replayed = replay(capture)
        as_text(replayed).encode()
        assert json.loads(as_json(replayed))["outcome"] == replayed.ended.outcome


def seeds() -> dict[str, bytes]:
    """Return the shorter transcripts."""
    return {name: body[2:] for name, body in transcripts(MAX_BYTES).items()}
