"""What is kept between runs, and where."""

from pathlib import Path

import pytest

from service.program.kept import journal_folder
from service.settings.config import Config


@pytest.mark.parametrize(
    ("storage", "folder"),
    [
        ({"state": "sqlite:a/b/state.db", "blobs": "file:c"}, "a/b/tokens"),
        ({"state": "redis://h", "blobs": "file:c"}, "c/tokens"),
        ({"state": "redis://h", "blobs": "s3://bucket/x"}, "data/tokens"),
    ],
)
def test_rotated_tokens_are_on_their_way_beside_what_else_is_kept(
    storage: dict[str, str], folder: str
) -> None:
    assert journal_folder(Config(storage=storage)) == Path(folder)
