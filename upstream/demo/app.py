"""Assembles the demo upstream; every route also works below any prefix."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from upstream.demo.codex.app import add_codex
from upstream.demo.ground import stats
from upstream.demo.ground.delivery import prepare
from upstream.demo.ground.options import DemoOptions
from upstream.demo.scenes.files import FILES, Files
from upstream.demo.website import (
    catalogue,
    conversations,
    downloads,
    tokens,
    turns,
    uploads,
    voice,
)
from upstream.demo.website.bodies import always

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of a JSON body; uploads are streamed."""

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CONVERSATION = "/backend-api/conversation/{conversation_id}"
_ROUTES: tuple[tuple[str, str, Handle], ...] = (
    ("GET", "/", always("index")),
    ("POST", "/api/arkose/token", catalogue.post_arkose),
    ("POST", "/api/auth/refresh", tokens.post_refresh),
    ("POST", "/oauth/token", tokens.post_oauth),
    ("GET", "/demo/stats", stats.get_stats),
    ("GET", "/demo/plays", stats.get_plays),
    ("GET", r"/demo/turns/{n:\d+}", stats.get_turn),
    ("POST", "/demo/revoke", catalogue.post_revoke),
    ("POST", "/backend-api/conversation", turns.post_turn),
    ("POST", "/backend-api/f/conversation", turns.post_turn),
    ("POST", "/backend-api/f/conversation/prepare", turns.post_prepare),
    ("POST", "/backend-api/f/conversation/resume", turns.post_resume),
    ("POST", "/backend-api/stop_conversation", turns.post_stop),
    ("POST", "/backend-api/conversation/init", conversations.post_init),
    ("POST", "/backend-api/conversation/gen_title/{conversation_id}", conversations.post_title),
    ("GET", "/backend-api/conversations", conversations.list_conversations),
    ("PATCH", "/backend-api/conversations", conversations.patch_conversations),
    ("GET", _CONVERSATION, conversations.get_conversation),
    ("PATCH", _CONVERSATION, conversations.patch_conversation),
    ("GET", f"{_CONVERSATION}/stream_status", conversations.get_stream_status),
    ("DELETE", "/backend-api/conversation/id/{conversation_id}", conversations.delete_conversation),
    ("GET", "/backend-api/tasks", conversations.get_tasks),
    ("GET", "/backend-api/accounts/check/v4-2023-04-27", catalogue.get_accounts),
    ("GET", "/backend-api/me", catalogue.get_me),
    ("GET", "/backend-api/models", catalogue.get_models),
    ("GET", "/backend-api/gizmos/bootstrap", catalogue.list_gizmos),
    ("GET", "/backend-api/gizmos/{gizmo_id}", catalogue.get_gizmo),
    ("POST", "/backend-api/sentinel/chat-requirements", always("requirements")),
    ("POST", "/backend-api/files", uploads.post_file),
    ("POST", "/backend-api/files/process_upload_stream", uploads.post_process),
    ("POST", "/backend-api/files/{file_id}/uploaded", uploads.post_uploaded),
    ("GET", "/backend-api/files/download/{file_id}", downloads.get_link),
    ("GET", "/backend-api/files/{file_id}/download", downloads.get_classic_link),
    ("GET", "/backend-api/files/{file_id}/simple", uploads.get_simple),
    ("GET", "/backend-api/files/{file_id}", uploads.get_file),
    ("GET", f"{_CONVERSATION}/attachment/{{file_id}}/download", downloads.get_attachment_link),
    ("GET", f"{_CONVERSATION}/interpreter/download", downloads.get_sandbox_link),
    ("GET", "/backend-api/synthesize", voice.get_speech),
    ("POST", "/backend-api/transcribe", voice.post_recording),
    ("GET", "/backend-api/settings/voices", always("voices")),
    ("GET", "/backend-api/estuary/content", downloads.get_estuary),
    ("PUT", "/blob/{file_id}", uploads.put_blob),
    ("GET", "/blob/{file_id}", downloads.get_blob),
    ("GET", "/public-api/conversation_limit", always("limit")),
)


def make_demo_app(options: DemoOptions | None = None) -> web.Application:
    """Return the application; all that it remembers is its own and in memory."""
    options = options or DemoOptions()
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[stats.note_request, tokens.check_bearer],
    )
    prepare(app, options)
    app[stats.STATS] = stats.Stats()
    app[tokens.TOKENS] = tokens.Tokens(options)
    app[FILES] = Files()
    app[conversations.CONVERSATIONS] = conversations.Conversations()
    app[turns.TURNS] = turns.Turns()
    # first, since of two equal paths the first one answers: `/oauth/token` is of both
    add_codex(app, options, tokens.post_oauth)
    for method, path, handle in _ROUTES:
        app.router.add_route(method, path, handle)
    for method, path, handle in _ROUTES[1:]:  # all but the index
        app.router.add_route(method, "/{prefix:.+}" + path, handle)
    return app
