"""Accounts and the user behind a token (protocol 6.8)."""

import uuid
from typing import Any

from aiohttp import web

from upstream.demo.website.tokens import TOKENS, bearer_of, fields_of


async def get_accounts(request: web.Request) -> web.Response:
    """Answer a personal plus account and a team workspace."""
    personal = request.app[TOKENS].account_of(bearer_of(request))
    team = str(uuid.uuid5(uuid.NAMESPACE_OID, f"demo workspace of {personal}"))
    return web.json_response(
        {
            "accounts": {
                "default": _account(personal, "personal", "plus"),
                team: _account(team, "workspace", "team"),
            },
            "account_ordering": [personal, team],
        }
    )


async def get_me(request: web.Request) -> web.Response:
    """Answer the user."""
    personal = request.app[TOKENS].account_of(bearer_of(request))
    return web.json_response(
        {
            "object": "user",
            "id": f"user-{personal[:8]}",
            "email": "someone@example.org",
            "name": "Demo",
            "picture": None,
            "created": 1_700_000_000,
            "phone_number": None,
            "mfa_flag_enabled": False,
            "amr": [],
            "groups": [],
            "orgs": {"object": "list", "data": []},
            "has_payg_project_spend_limit": False,
        }
    )


async def post_revoke(request: web.Request) -> web.Response:
    """Revoke one token, or with `all` every token issued so far."""
    wanted = await fields_of(request)
    token = None if wanted.get("all") else str(wanted.get("token") or "")
    return web.json_response({"revoked": request.app[TOKENS].revoke(token)})


def _account(account_id: str, structure: str, plan: str) -> dict[str, Any]:
    return {
        "account": {
            "account_user_role": "account-owner",
            "account_user_id": f"user-{account_id[:8]}__{account_id}",
            "account_id": account_id,
            "structure": structure,
            "plan_type": plan,
            "is_deactivated": False,
            "name": "Demo workspace" if structure == "workspace" else None,
            "processor": {"a001": {"has_customer_object": False}},
        },
        "features": [],
        "entitlement": {
            "subscription_id": f"sub-{account_id[:8]}",
            "has_active_subscription": True,
            "subscription_plan": f"chatgpt{plan}plan",
            "expires_at": "2030-01-01T00:00:00+00:00",
            "billing_period": "monthly",
        },
        "last_active_subscription": {
            "subscription_id": f"sub-{account_id[:8]}",
            "purchase_origin_platform": "chatgpt_web",
            "will_renew": True,
        },
    }
