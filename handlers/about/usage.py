"""`GET /v1/usage`: what is left of the caller's account, and of its gateway key (spec 14.4)."""

import math
from collections.abc import Sequence

from aiohttp import web
from msgspec import structs

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from service.answers.gateway import AccountUsage, BoughtCredits, Resting, UsedBudget, UsedWindow
from service.keys import ALLOWANCES, KEY_BUDGETS
from service.vocabulary.errors import NotFoundError
from service.vocabulary.native import Allowance, LimitWindow, Scope


async def usage(request: web.Request) -> web.Response:
    """Answer with the account's part for a caller who may see it, and the key's for a gateway key.

    Raises:
        AuthError: the credential is missing or known to be dead.
        NotFoundError: it is an access or refresh token of the website's login.
        TokenServiceError: the token service has a passing fault.
        UpstreamError: the upstream refused or broke, and nothing is known of the account.
    """
    credential = credential_of(request)
    is_key = credential.gateway_key is not None
    answer = AccountUsage()
    if is_key:
        uses = await request.app[KEY_BUDGETS].of(credential)
        budgets = {use.name: UsedBudget(use.limit, use.used, use.renews_at) for use in uses}
        answer = AccountUsage(key=budgets)
    if credential.sees_account:
        try:
            answer = with_account(answer, await request.app[ALLOWANCES].of(credential))
        except NotFoundError:
            if not is_key:
                raise
    return json_response(answer)


def used_windows(windows: Sequence[LimitWindow]) -> list[UsedWindow]:
    """Return windows as answers show them."""
    return [
        UsedWindow(
            window.name, round(window.used_percent, 2), window.window_minutes, _at(window.resets_at)
        )
        for window in windows
    ]


def with_account(answer: AccountUsage, allowance: Allowance) -> AccountUsage:
    """Return the answer with the account's part."""
    bought, rests = allowance.credits, allowance.rests_until
    return structs.replace(
        answer,
        plan=allowance.plan or None,
        windows=used_windows(allowance.windows),
        credits=bought and BoughtCredits(bought.has_credits, bought.is_unlimited, bought.balance),
        resting=Resting(_at(rests[Scope.TEXT]), _at(rests[Scope.PICTURES])),
    )


def _at(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds)
