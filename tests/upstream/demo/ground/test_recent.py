"""What is remembered for a while."""

from upstream.demo.ground.recent import Recent


def test_the_oldest_is_forgotten() -> None:
    recent: Recent[str, int] = Recent(2)
    for number, key in enumerate("abac"):
        recent[key] = number
    assert recent == {"b": 1, "c": 3}
