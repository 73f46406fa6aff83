"""What the tests on generated input share."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

# The same examples in every run: a failure of `make test` has to mean a change.
FAST = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.filter_too_much],
)


def chopped(body: bytes, sizes: list[int]) -> list[bytes]:
    """Return the body in pieces of these sizes, over and over."""
    pieces, place, turn = [], 0, 0
    while place < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(body[place : place + size])
        place, turn = place + size, turn + 1
    return pieces


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8)
