"""Which scenario a question calls for, and the list of all of them."""

from collections.abc import Callable

from upstream.demo import plain
from upstream.demo.scene import Scene, close_scene, open_scene
from upstream.demo.script import Script

Player = Callable[[Scene], None]

_PLAYERS: dict[str, Player] = {"plain": plain.play}


def play(scene: Scene, fault: str) -> Script:
    """Write the whole script; some faults change what is said, not how it is sent."""
    open_scene(scene)
    if fault.startswith("handoff"):
        scene.hand_over()
    name = "plain"
    if fault != "empty":
        _PLAYERS[name](scene)
    close_scene(scene)
    return scene.script(name)
