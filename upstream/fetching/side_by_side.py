"""Work on the files of one request, a few at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from service.vocabulary.errors import ServiceError
from service.vocabulary.requests import FilePart

AT_ONCE = 4

Product = TypeVar("Product")


async def for_parts(
    parts: Sequence[FilePart], work: Callable[[FilePart], Awaitable[Product]]
) -> dict[str, Product]:
    """Run `work` for each part, at most `AT_ONCE` at a time; return the results by the part's path.

    The first failure cancels the others.

    Raises:
        ServiceError: whatever `work` raises.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(part: FilePart) -> Product:
        async with gate:
            return await work(part)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {part.path: group.create_task(one(part)) for part in parts}
    except ExceptionGroup as errors:
        if (error := _first_of(errors)) is None:
            raise
        raise error from None
    return {path: task.result() for path, task in tasks.items()}


def _first_of(errors: ExceptionGroup[Exception]) -> ServiceError | None:
    """Return the first error that a caller may see, None if any of the errors is a bug."""
    refusals, bugs = errors.split(ServiceError)
    if bugs is not None or refusals is None:
        return None
    first: Exception = refusals
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, ServiceError) else None
