"""How workers report that they are ready; full changes of generations are in `test_workers.py`."""

import os

from service.program.arbiter import ReadyPipe


def test_workers_are_told_once_each_by_their_own_processes() -> None:
    pipe = ReadyPipe()
    assert pipe.told() == set()
    children = []
    for _ in range(5):
        child = os.fork()
        if not child:
            pipe.tell(os.getpid())
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert pipe.told() == set(children)
    assert pipe.told() == set()
