"""Models and GPTs (protocol 6.9, 6.5)."""

import re
import uuid
from typing import Any

from aiohttp import web

from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.stats import STATS

SLUGS = ("auto", "gpt-4o", "gpt-4o-mini", "gpt-4", "o1", "o1-mini", "o1-preview", "gpt-5")
MAX_TOKENS = 32_767
GIZMO_ID = re.compile(r"(g-(?:p-)?[A-Za-z0-9]+)")
OWN_GIZMOS = ("g-demo00001", "g-2fkFE8rbu")


async def get_models(_request: web.Request) -> web.Response:
    """Answer the models of every account."""
    return web.json_response(
        {
            "models": [_model(slug) for slug in SLUGS],
            "categories": [
                {
                    "category": "gpt_4",
                    "human_category_name": "GPT-4",
                    "subscription_level": "plus",
                    "default_model": "gpt-4o",
                    "supported_models": list(SLUGS),
                }
            ],
            "default_model_slug": "auto",
        }
    )


async def get_gizmo(request: web.Request) -> web.Response:
    """Answer any GPT but `g-missing`; a slug behind the id does not matter."""
    found = GIZMO_ID.match(request.match_info["gizmo_id"])
    if found is None or found[1] == "g-missing":
        raise Refusal(404, detail("Gizmo not found", "gizmo_not_found"))
    return web.json_response(_gizmo(found[1]))


async def list_gizmos(_request: web.Request) -> web.Response:
    """Answer the account's own GPTs, in the form of `gizmos/bootstrap`."""
    return web.json_response(
        {"gizmos": [{"flair": {"kind": "mine"}, "resource": _gizmo(one)} for one in OWN_GIZMOS]}
    )


async def post_arkose(request: web.Request) -> web.Response:
    """Answer as a token service of the operator's would (`POST /api/arkose/token`)."""
    request.app[STATS].counts["arkose"] += 1
    return web.json_response({"token": f"demo-arkose-{uuid.uuid4().hex}"})


async def get_limit(_request: web.Request) -> web.Response:
    """Answer `public-api/conversation_limit`."""
    return web.json_response(
        {"message_cap": 40, "message_cap_window": 180, "message_disclaimer": {"textarea": "Demo"}}
    )


async def post_requirements(_request: web.Request) -> web.Response:
    """Answer `sentinel/chat-requirements`: the demo asks for nothing."""
    return web.json_response(
        {
            "persona": "chatgpt-paid",
            "token": "demo-requirements",
            "proofofwork": {"required": False},
            "turnstile": {"required": False},
            "arkose": {"required": False},
        }
    )


def _model(slug: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "max_tokens": MAX_TOKENS,
        "title": slug.upper(),
        "description": f"{slug}, played by the demo upstream",
        "tags": [],
        "capabilities": {},
        "product_features": {},
        "enabled_tools": [],
    }


def _gizmo(gizmo_id: str) -> dict[str, Any]:
    return {
        "gizmo": {
            "id": gizmo_id,
            "organization_id": "org-demo",
            "short_url": f"{gizmo_id}-demo-gpt",
            "author": {"user_id": "user-demo", "display_name": "Demo", "is_verified": True},
            "voice": {"id": "ember"},
            "workspace_id": None,
            "model": None,
            "instructions": None,
            "display": _display(gizmo_id),
            "share_recipient": "private",
            "updated_at": "2024-06-01T00:00:00+00:00",
            "tags": ["public"],
            "version": 1,
            "live_version": 1,
            "training_disabled": False,
        },
        "tools": [{"id": f"gzm_tool_{gizmo_id}", "type": "dalle", "settings": None}],
        "files": [],
        "product_features": {
            "attachments": {
                "type": "retrieval",
                "accepted_mime_types": ["text/plain", "application/pdf"],
                "image_mime_types": ["image/png", "image/jpeg"],
                "can_accept_all_mime_types": True,
            }
        },
    }


def _display(gizmo_id: str) -> dict[str, Any]:
    return {
        "name": f"Demo GPT {gizmo_id}",
        "description": "A GPT of the demo upstream",
        "welcome_message": "Hello",
        "prompt_starters": ["help"],
        "profile_picture_url": None,
        "categories": [],
    }
