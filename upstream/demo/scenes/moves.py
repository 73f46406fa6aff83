"""The moves that rows can name: those of `Scene`, and the ones that only some scenarios make."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from upstream.demo.ground import pictures
from upstream.demo.scenes.scene import FINISHED, Scene, pieces_of
from upstream.demo.scenes.script import TEXT_PATH, Change

CSV = b"month,boats\nJanuary,3\nFebruary,5\nMarch,8\n"
EMOJI_UNITS = 3
"""UTF-16 units in a piece of the emoji answer: odd, so that pairs are split."""
_CITATIONS = "/message/metadata/citations"
_REFERENCES = "/message/metadata/content_references"


def let(_scene: Scene, value: Any) -> Any:
    """Give a value a name."""
    return value


def draw(scene: Scene, name: str, *, width: int, height: int) -> str:
    """Draw a picture into a file; return the file's id."""
    content = pictures.draw(scene.question.text, width, height)
    return scene.files.make(scene.question.owner, name, content)


def keep(scene: Scene, name: str, *, path: str, message_id: str) -> None:
    """Put a table where a message's sandbox path leads."""
    file_id = scene.files.make(scene.question.owner, name, CSV)
    scene.files.sandbox[scene.conversation_id, message_id, path] = file_id


def improve(scene: Scene, message_id: str, *, part: dict[str, Any]) -> None:
    """Replace a message's picture by a better one, which finishes it."""
    names = ("asset_pointer", "size_bytes", "metadata")
    better = [(f"{TEXT_PATH}/{name}", "replace", part[name]) for name in names]
    scene.change(message_id, [*better, (FINISHED.path, FINISHED.operation, FINISHED.value)])


def race(scene: Scene, winner: str, *, against: str) -> None:
    """Let two answers grow side by side; the loser ends first."""
    variants = {
        "num_variants_in_stream": 2,
        "paragen_variants_info": {"type": "num_variants_in_stream"},
    }
    first, second = pieces_of(winner), pieces_of(against)
    winner_id = scene.start(variants)
    scene.grow(winner_id, first[:1])
    loser_id = scene.start(variants)
    for left, right in itertools.zip_longest(first[1:], second):
        scene.grow(winner_id, [left] if left else [])
        scene.grow(loser_id, [right] if right else [])
    scene.close(loser_id)
    scene.close(winner_id)


def say_in_halves(scene: Scene, text: str) -> None:
    """Say a text whose emoji are cut between the two units of a surrogate pair."""
    units, step = text.encode("utf-16-le"), 2 * EMOJI_UNITS
    cuts = [units[start : start + step] for start in range(0, len(units), step)]
    scene.say([cut.decode("utf-16-le", "surrogatepass") for cut in cuts])


def cite(
    scene: Scene, text: str, *, sources: Sequence[dict[str, Any]], style: str = "tether_og"
) -> None:
    """Say a text and cite its first markers; one citation comes a little late, another at the end."""
    citations = [
        {
            "start_ix": mark.start(),
            "end_ix": mark.end(),
            "citation_format_type": style,
            "metadata": source,
        }
        for mark, source in zip(re.finditer("【.*?】", text), sources, strict=False)
    ]
    message_id = scene.start()
    pieces = pieces_of(text)
    scene.grow(message_id, pieces[:-2])
    scene.change(message_id, [(_CITATIONS, "append", citations[:1])])
    scene.grow(message_id, pieces[-2:])
    scene.close(message_id, *(Change(_CITATIONS, "append", [one]) for one in citations[1:]))


def refer(scene: Scene, text: str, *, pages: Sequence[dict[str, str]]) -> None:
    """Say a text whose first marker refers to pages, while the second is hidden, the third unknown."""
    cited, hidden, _ = re.finditer("\ue200.*?\ue201", text)
    message_id = scene.start()
    scene.grow(message_id, pieces_of(text[: hidden.start()]))
    scene.change(message_id, [(f"{_REFERENCES}/0", "add", _reference(cited, "grouped_webpages"))])
    for page in pages:  # they come one by one
        item = {**page, "supporting_websites": []}
        scene.change(message_id, [(f"{_REFERENCES}/0/items", "append", [item])])
    shown = ", ".join(f"[{page['attribution']}]({page['url']})" for page in pages)
    found = {"turn_index": 0, "ref_type": "search", "ref_index": 0}
    ends = [("/alt", f"({shown})"), ("/safe_urls", [page["url"] for page in pages])]
    more = [(path, "append", value) for path, value in [*ends, ("/refs", [found])]]
    scene.change(message_id, more, base=f"{_REFERENCES}/0")
    scene.grow(message_id, pieces_of(text[hidden.start() :]))
    scene.change(message_id, [(f"{_REFERENCES}/1", "add", _reference(hidden, "hidden"))])
    place = {"matched_text": " ", "start_idx": len(text), "end_idx": len(text)}
    footnote = {"type": "sources_footnote", **place, "alt": "", "sources": list(pages)}
    scene.close(message_id, Change(_REFERENCES, "append", [footnote]))


def _reference(mark: re.Match[str], kind: str) -> dict[str, Any]:
    place = {"matched_text": mark[0], "start_idx": mark.start(), "end_idx": mark.end()}
    empty: dict[str, Any] = {
        "alt": "",
        "items": [],
        "fallback_items": None,
        "safe_urls": [],
        "refs": [],
    }
    return {"type": kind, **place, **empty, "prompt_text": None}


MOVES: Mapping[str, Callable[..., Any]] = {
    move.__name__: move
    for move in (
        *(Scene.begin, Scene.later, Scene.tool, Scene.echo, Scene.note, Scene.wait, Scene.change),
        *(Scene.finish, Scene.grow, Scene.start, Scene.close, Scene.say, Scene.call),
        *(let, draw, keep, improve, race, say_in_halves, cite, refer),
    )
}
