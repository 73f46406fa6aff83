"""Fields that requests of several endpoints share: model, stop, profile, ids."""

import re
from collections.abc import Container, Iterable, Mapping

from msgspec import Struct

from handlers.reading.json_body import quoted, refusal
from service.vocabulary.requests import Profile

PROFILE_HEADER = "x-render-profile"
MAX_MODEL_CHARS = 255
MAX_STOPS = 4  # OpenAI's own
MAX_STOP_CHARS = 512  # the end of every piece is searched for the start of one
MAX_NAMED_FIELDS = 32  # in the header that names the ignored ones
UPSTREAM_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")  # becomes part of a path upstream
_FIELD_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


class Arrival(Struct, frozen=True):
    """What is known of a request apart from its body; `received_at` as in `ChatRequest`.

    `is_native`: its upstream supports tools, formats and the like by itself. `models` are those
    that its gateway key may ask for (empty: any).
    """

    request_id: str
    received_at: float
    public_url: str
    default_profile: Profile
    profile_header: str | None = None
    idempotency_key: str = ""
    is_native: bool = False
    models: tuple[str, ...] = ()


def model_name(name: str) -> str:
    """Return a model's name.

    Raises:
        RequestError: it cannot be one.
    """
    if not name.strip() or len(name) > MAX_MODEL_CHARS or not name.isprintable():
        raise refusal(
            "model", f"expected the name of a model, 1 to {MAX_MODEL_CHARS} characters long"
        )
    return name.strip()


def stop_strings(
    stop: str | list[str] | None, path: str = "stop", most: int = MAX_STOPS
) -> tuple[str, ...]:
    """Return the strings at which an answer stops; `path` is the field's, for errors.

    Raises:
        RequestError: they are too many, or too long.
    """
    if not stop:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if len(stops) > most:
        raise refusal(path, f"expected up to {most} strings, got {len(stops)}")
    if any(len(text) > MAX_STOP_CHARS for text in stops):
        raise refusal(path, f"expected strings of up to {MAX_STOP_CHARS} characters")
    return tuple(dict.fromkeys(text for text in stops if text))


# OpenAI's limits for fields without effect here; a number outside of them is a mistake.
RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}


def check_ranges(fields: Struct) -> None:
    """Refuse a number outside of OpenAI's range for its field.

    Raises:
        RequestError: it is too low or too high.
    """
    for name, (least, most) in RANGES.items():
        value = getattr(fields, name)
        if value is not None and not least <= value <= most:
            raise refusal(name, f"expected a number from {least:g} to {most:g}, got {value:g}")


def upstream_id(name: str, value: str | None) -> str | None:
    """Return an id of the upstream's that a caller sent, None without one.

    Raises:
        RequestError: it is malformed.
    """
    if value and not UPSTREAM_ID.fullmatch(value):
        raise refusal(name, "expected an id as an earlier answer named it")
    return value or None


def chosen_profile(field: str | None, arrival: Arrival) -> Profile:
    """Return the profile of a request: by its field, else by its header, else the server's.

    Raises:
        RequestError: there is no such profile.
    """
    name, value = ("render_profile", field) if field else (PROFILE_HEADER, arrival.profile_header)
    if not value:
        return arrival.default_profile
    chosen = {profile.value: profile for profile in Profile}.get(value.strip().lower())
    if chosen is None:
        choices = ", ".join(f"'{profile}'" for profile in Profile)
        raise refusal(name, f"{quoted(value)} is no profile; use one of {choices}")
    return chosen


def ignored_names(given: Iterable[str], known: Container[str]) -> tuple[str, ...]:
    """Return the given names that are not known, fit for a header."""
    names = [name for name in given if name not in known and _FIELD_NAME.fullmatch(name)]
    return tuple(names[:MAX_NAMED_FIELDS])
