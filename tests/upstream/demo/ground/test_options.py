"""Options."""

from upstream.demo.ground.options import DemoOptions


def test_the_defaults_let_people_see_the_stream() -> None:
    options = DemoOptions()
    assert options.delay_seconds > 0
    assert options.generation == "ask"
    assert not options.rotate
