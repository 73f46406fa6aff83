"""Well-formed inputs with odd values in them, which random changes of bytes rarely give.

An input that begins with 0xFF, as no JSON and no event does, is a recipe: it chooses a seed, places
in it, and the odd values to put there.

    ff 0007 0003 0011 …        seed 7; at its place 3 the odd value 17; and so on
"""

import copy
import json
from collections.abc import Sequence
from typing import Any

RECIPE = b"\xff"
MAX_CHANGES = 6
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1.5, 10**30, 1e300, "", " ", "odd", "\ud800", "a\x00b", "茶"),
    *([], {}, [None], ["x"], [[]], [{}], {"": None}, {"x": 1}, [1, "x", None, {}], "auto", "none"),
    *("user", "tool", "assistant", "function", "text", "message", "json_schema", "json_object"),
    *("https://e.org/a.png", "http://[", "data:image/png;base64,AAAA", "data:,", "file-1", "1x1"),
    *({"type": "function"}, {"type": "function", "name": "f"}, {"type": "text"}, {"type": "x"}),
    *({"url": "https://e.org/"}, {"$ref": "#"}, {"type": ["object", 1]}, {"pattern": "("}, "x" * 600),
    *("in_progress", "finished_successfully", "final", "analysis", "all", "code", "thoughts"),
    *("multimodal_text", "sediment://file_1", "\ue200cite\ue202", "【1†a】", "sandbox:/a", "max_tokens"),
    *({"asset_pointer": "sediment://file_2"}, {"type": "confirm_action"}, {"blocked": True}),
)  # fmt: skip


def is_recipe(data: bytes) -> bool:
    """Tell whether the data is a recipe and not an input itself."""
    return data.startswith(RECIPE)


def mutant(seeds: Sequence[bytes], data: bytes) -> bytes:
    """Return the JSON seed that a recipe chooses, changed by it."""
    value = json.loads(seeds[_number(data[1:3]) % len(seeds)])
    return json.dumps(_changed(value, data[3:])).encode()


def mutant_line(body: bytes, data: bytes) -> bytes:
    """Return a body of events with one event changed by a recipe."""
    lines = body.split(b"\n")
    places = [at for at, line in enumerate(lines) if line.startswith(b'data: {"')]
    if not places:
        return body
    at = places[_number(data[:2]) % len(places)]
    try:
        value = json.loads(lines[at].removeprefix(b"data: "))
    except ValueError:
        return body
    lines[at] = b"data: " + json.dumps(_changed(value, data[2:])).encode()
    return b"\n".join(lines)


def _changed(value: Any, recipe: bytes) -> Any:
    """Return the value with odd values in the places that a recipe chooses, four bytes for each."""
    for start in range(0, min(len(recipe), 4 * MAX_CHANGES), 4):
        step = recipe[start : start + 4]
        ways = _ways(value)
        way = ways[_number(step[:2]) % len(ways)]
        value = _with(value, way, ODD[_number(step[2:]) % len(ODD)])
    return value


def _number(data: bytes) -> int:
    return int.from_bytes(data)


def _ways(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path to every value in a JSON value: `("a", 0)` leads to 1 in `{"a": [1]}`."""
    found = [way]
    if isinstance(value, dict):
        found += [each for key, child in value.items() for each in _ways(child, (*way, key))]
    elif isinstance(value, list):
        found += [each for at, child in enumerate(value) for each in _ways(child, (*way, at))]
    return found


def _with(value: Any, way: tuple[Any, ...], other: Any) -> Any:
    if not way:
        return other
    changed = copy.copy(value)
    changed[way[0]] = _with(value[way[0]], way[1:], other)
    return changed


def recipes() -> dict[str, bytes]:
    """Return a few recipes to start with."""
    found = {
        f"recipe-{n}": RECIPE + bytes((0, n, 0, 3 * n, 0, n, 0, n, 0, 2 * n)) for n in range(12)
    }
    return found | {f"recipe-long-{n}": RECIPE + bytes(range(n, n + 27)) for n in range(4)}
