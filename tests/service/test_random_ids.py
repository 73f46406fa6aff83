import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from service.random_ids import random_bytes, random_hex, random_uuid

MANY = 2_000


def test_ids_have_the_size_that_is_asked_for() -> None:
    assert [len(random_bytes(size)) for size in (1, 15, 29, 32)] == [1, 15, 29, 32]
    assert [len(random_hex(size)) for size in (8, 24)] == [16, 48]


def test_uuids_are_of_version_4() -> None:
    for text in (random_uuid() for _ in range(MANY)):
        known = uuid.UUID(text)
        assert (str(known), known.version, known.variant) == (text, 4, uuid.RFC_4122)


def test_no_id_comes_twice_not_even_in_threads() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: random_hex(16), range(MANY)))
    made += [random_hex(24) for _ in range(MANY)] + [random_uuid() for _ in range(MANY)]
    assert len(set(made)) == 3 * MANY


def test_a_forked_process_makes_other_ids() -> None:
    random_hex(16)  # so that there is a pool to share
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with os.fdopen(reader) as theirs:
            assert theirs.read() != "".join(random_hex(16) for _ in range(4))
        assert os.waitpid(child, 0)[1] == 0
    else:
        os.write(writer, "".join(random_hex(16) for _ in range(4)).encode())
        os._exit(0)
