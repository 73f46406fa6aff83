"""Settings and helpers of all tests on generated input."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

# The same examples in every run, so that a failure of `make test` means a change.
FAST = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.filter_too_much],
)


def chopped(body: bytes, sizes: list[int]) -> list[bytes]:
    """Return the body cut into pieces of these sizes, repeated."""
    pieces, place, turn = [], 0, 0
    while place < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(body[place : place + size])
        place, turn = place + size, turn + 1
    return pieces


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8)
