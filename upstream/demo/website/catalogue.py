"""Accounts, models and GPTs (protocol 6.5, 6.8, 6.9)."""

import re
import uuid
from typing import Any

from aiohttp import web

from upstream.demo.ground.jwts import bearer_of
from upstream.demo.ground.refusals import Refusal, detail, read_fields
from upstream.demo.ground.stats import STATS
from upstream.demo.website.bodies import BODIES, answer, body
from upstream.demo.website.tokens import TOKENS

SLUGS = BODIES["models"]["categories"][0]["supported_models"]
OWN_GIZMOS = ("g-demo00001", "g-2fkFE8rbu")
_GIZMO_ID = re.compile(r"(g-(?:p-)?[A-Za-z0-9]+)")


async def get_accounts(request: web.Request) -> web.Response:
    """Answer a personal plus account and a team workspace."""
    personal = request.app[TOKENS].account_of(bearer_of(request))
    team = str(uuid.uuid5(uuid.NAMESPACE_OID, f"demo workspace of {personal}"))
    accounts = {
        "default": _account(personal, structure="personal", plan="plus", name=None),
        team: _account(team, structure="workspace", plan="team", name="Demo workspace"),
    }
    return web.json_response({"accounts": accounts, "account_ordering": [personal, team]})


async def get_me(request: web.Request) -> web.Response:
    """Answer the user."""
    return answer("me", short=request.app[TOKENS].account_of(bearer_of(request))[:8])


async def post_revoke(request: web.Request) -> web.Response:
    """Revoke one token, or with `all` every token issued so far."""
    wanted = await read_fields(request)
    token = None if wanted.get("all") else str(wanted.get("token") or "")
    return web.json_response({"revoked": request.app[TOKENS].revoke(token)})


async def get_models(_request: web.Request) -> web.Response:
    """Answer the models of every account."""
    models = [body("model", slug=slug, title=slug.upper()) for slug in SLUGS]
    return answer("models", models=models)


async def get_gizmo(request: web.Request) -> web.Response:
    """Answer any GPT but `g-missing`; a slug behind the id does not matter."""
    found = _GIZMO_ID.match(request.match_info["gizmo_id"])
    if found is None or found[1] == "g-missing":
        raise Refusal(404, detail("Gizmo not found", "gizmo_not_found"))
    return answer("gizmo", id=found[1])


async def list_gizmos(_request: web.Request) -> web.Response:
    """Answer the account's own GPTs, in the form of `gizmos/bootstrap`."""
    own = [body("own_gizmo", gizmo=body("gizmo", id=one)) for one in OWN_GIZMOS]
    return web.json_response({"gizmos": own})


async def post_arkose(request: web.Request) -> web.Response:
    """Answer as a token service of the operator's would (`POST /api/arkose/token`)."""
    request.app[STATS].counts["arkose"] += 1
    return answer("arkose", hex=uuid.uuid4().hex)


def _account(account_id: str, **names: Any) -> Any:
    return body("account", id=account_id, short=account_id[:8], **names)
