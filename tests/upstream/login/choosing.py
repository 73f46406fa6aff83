"""What a test chooses of the demo's logins."""

from collections.abc import Awaitable, Callable

Choose = Callable[..., Awaitable[None]]
