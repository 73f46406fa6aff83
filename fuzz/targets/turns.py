"""Target: whole turns of a grammar, in both generations, against the oracle.

Hypothesis draws the turns.
"""

import random

from tests.service.stages import test_properties as properties

MAX_BYTES = 4096
TOKENS: tuple[bytes, ...] = ()
_TURN = properties.test_both_generations_and_all_cuts_give_the_text_of_the_definition
_CROWD = properties.test_messages_side_by_side_mean_the_same_in_both_generations_and_all_cuts


def check(data: bytes) -> None:
    """Check that both generations and all cuts give the text of the definition."""
    test = _CROWD if data[:1] > b"\x7f" else _TURN
    test.hypothesis.fuzz_one_input(data[1:])


def seeds() -> dict[str, bytes]:
    """Return random bytes: hypothesis's choices cannot be written by hand."""
    chance = random.Random(1)
    return {f"random-{number}": chance.randbytes(200 + 40 * number) for number in range(24)}
