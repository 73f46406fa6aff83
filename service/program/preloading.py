"""What a process loads before it serves, and before others are forked from it, which share it.

Code and tables that only some settings need are imported only with them: a gateway on SQLite and a
disk, of one process, never loads Redis, S3, gunicorn, or the checks of schemas before the first one,
and reads the tokenizer's tables, 27 MiB in a tenth of a second, when it first counts an answer.
"""

import gc
from collections.abc import Iterator
from importlib import import_module

from service.pipeline.usage import load_for_forks
from service.settings.config import Config


def preload(config: Config) -> None:
    """Load the stores that are used, and for several workers what each will need, the tokenizer too."""
    for name in _modules(config):
        import_module(name)
    if config.server.workers > 1:
        load_for_forks()
    gc.collect()
    gc.freeze()  # else the first collection of each process writes into all of it


def _modules(config: Config) -> Iterator[str]:
    if not config.storage.state.startswith("sqlite:"):
        yield "storage.state.redis"
        yield "storage.ledger.redis_calls"
    if config.storage.blobs.startswith("s3:"):
        yield "storage.files.bucket_blobs"
        yield "storage.files.bucket_uploads"
    if config.server.workers > 1:
        yield "service.demands.json_schemas"
