"""The door before `/admin/…`: the operator's key, and pages of this origin only."""

from functools import wraps

from aiohttp import hdrs, web

from handlers.edge.admission import Handler
from service.keys import ADMIN_KEY
from service.vocabulary.errors import AuthError, KeyScopeError

_FROM = "Sec-Fetch-Site"  # browsers say by it where a request comes from; programs do not send it
_OWN_SITES = ("same-origin", "none")
_NO_KEY = (
    "You didn't provide the admin key. Send 'Authorization: Bearer <what server.admin_key holds>'."
)


def for_admin(handler: Handler) -> Handler:
    """Return a handler that only the operator gets to."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        """Let the operator through.

        Raises:
            KeyScopeError: a web page of another origin sends this.
            AuthError: the admin key is wrong, or missing.
            KeyLimitError: it is wrong, and too many were.
        """
        if request.headers.get(_FROM, "none") not in _OWN_SITES:
            raise KeyScopeError("Only the pages of this gateway may call its admin routes.")
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise AuthError(_NO_KEY)
        await request.app[ADMIN_KEY].check(key.strip())
        return await handler(request)

    return guarded
