"""The `$names` that rows may use without having made them."""

import itertools
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from upstream.demo.ground.pictures import size_of
from upstream.demo.ground.sums import computed
from upstream.demo.ground.words import between_lines
from upstream.demo.scenes import drawing, obedience, plain
from upstream.demo.scenes.questions import Attachment
from upstream.demo.scenes.scene import Scene

DEFAULT_TOKENS = 400
MAX_TOKENS = 100_000
PARAGRAPH_TOKENS = 60
ENGLISH = (
    "the demo writes on and on about a river that runs past a quiet town where people"
    " build small boats and tell each other long stories until the evening comes"
)
CHINESE = "演示上游写着一条河流经过安静的小镇人们造船讲故事直到夜晚来临"
_COUNT = re.compile(r"long\s+(\d+)|(\d+)\s*(?:tokens|字)", re.IGNORECASE)
_FILE_NAME = re.compile(r"[\w-]+\.(?:csv|txt|json|md|html|xlsx|pdf|zip)\b", re.ASCII)
_UNSENT = Attachment("file-DemoDemoDemoDemoDemoDemo", "")


class Names(dict[str, Any]):
    """What rows have named so far; other names are looked up in `GIVEN`, each time anew."""

    def __init__(self, scene: Scene, **more: Any) -> None:
        super().__init__(more, is_chinese=scene.question.is_chinese)
        self._scene = scene

    def __missing__(self, name: str) -> Any:
        return GIVEN[name](self._scene)


def essay(scene: Scene) -> list[str]:
    """Return the pieces of an essay of as many tokens as asked for."""
    found = _COUNT.search(scene.question.text)
    count = int(next(filter(None, found.groups()))) if found else DEFAULT_TOKENS
    words = scene.question.words
    source = itertools.cycle(words(ENGLISH, " ".join(CHINESE)).split())
    pieces = [words("Demo", "演示长文：")]
    for number in range(1, min(count, MAX_TOKENS)):
        lead = "\n\n" if number % PARAGRAPH_TOKENS == 0 else words(" ", "")
        pieces.append(lead + next(source))
    return pieces


def text_to_repeat(scene: Scene) -> str:
    """Return the text that a question has between lines, or that there is none."""
    nothing = scene.question.words(
        "Demo: there is nothing to repeat.", "演示：没有可以重复的内容。"
    )
    return between_lines(scene.question.raw_text) or nothing


def _sum(scene: Scene) -> tuple[str, str]:
    left, _, total = (computed(scene.question.text) or "6*7=42").partition("=")
    return left, total


def _file_name(scene: Scene) -> str:
    found = _FILE_NAME.search(scene.question.text)
    return found[0] if found else "demo.csv"


def _sent(scene: Scene) -> Attachment:
    return (*scene.question.attachments, _UNSENT)[0]


GIVEN: dict[str, Callable[[Scene], Any]] = {
    "uuid": lambda _: str(uuid.uuid4()),
    "hex": lambda _: uuid.uuid4().hex,
    "now": lambda _: time.time(),
    "last": lambda scene: scene.last_id,
    "conversation_id": lambda scene: scene.conversation_id,
    "model": lambda scene: scene.question.model,
    "sent": lambda scene: scene.question.sent,
    "title": lambda scene: scene.question.text[:40] or "Demo",
    "query": lambda scene: scene.question.text[:60],
    "has_files": lambda scene: bool(scene.question.attachments),
    "sent_id": lambda scene: _sent(scene).id,
    "sent_name": lambda scene: _sent(scene).name or "file.pdf",
    "file_name": _file_name,
    "sum": lambda scene: _sum(scene)[0],
    "total": lambda scene: _sum(scene)[1],
    "prompt": lambda scene: drawing.prompt_of(scene.question.text),
    "count": lambda scene: drawing.count_of(scene.question.text),
    "size": lambda scene: "{}x{}".format(*size_of(scene.question.text)),
    "dalle_parts": drawing.dalle_parts,
    "native_part": drawing.native_part,
    "coarse_part": lambda scene: drawing.native_part(scene, drawing.PREVIEW_PIXELS),
    "answer": plain.answer,
    "essay": essay,
    "text_to_repeat": text_to_repeat,
    "obedient": obedience.obedient,
    "slip": obedience.slip,
    "disobedient": obedience.disobedient,
}
