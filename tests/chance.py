"""Settings and helpers of all tests on generated input."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

QUICK = "quick"  # the profile of `make quick`, which tries a quarter of the examples


def examples(count: int) -> settings:
    """Return the settings of a test on so many examples.

    They are the same in every run, so that a failure of `make test` means a change; `fuzz/` looks
    for new ones. None has a deadline, since a machine may be busy.
    """
    return settings(
        max_examples=count // 4 if settings.get_current_profile_name() == QUICK else count,
        deadline=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )


FAST = examples(150)


def chopped(body: bytes, sizes: list[int]) -> list[bytes]:
    """Return the body cut into pieces of these sizes, repeated."""
    pieces, place, turn = [], 0, 0
    while place < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(body[place : place + size])
        place, turn = place + size, turn + 1
    return pieces


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8)
