"""Which path is answered by what (spec 3, `server.api_prefix`)."""

from aiohttp import web

from handlers.about.accounts import account_ids
from handlers.about.billing import subscription, usage
from handlers.about.health import healthz, install_checks, metrics, readyz
from handlers.about.models import get_model, list_models
from handlers.audio.speech import speech
from handlers.audio.transcriptions import transcriptions
from handlers.chat.chat import chat_completions
from handlers.chat.completions import completions
from handlers.console.pages import asset, root
from handlers.edge.links import api_base
from handlers.files.files import create_file, delete_file, file_content, get_file, list_files
from handlers.files.media import FILES, IMAGES, file, image
from handlers.files.shares import SHARES, Shares
from handlers.images.edits import image_edits, image_variations
from handlers.images.generations import image_generations
from handlers.openapi.document import PATH, description
from handlers.responses.create import create_response
from handlers.responses.running import RUNNING, RunningResponses
from handlers.responses.stored import (
    cancel_response,
    delete_response,
    get_response,
    list_input_items,
)
from service.settings.config import Config


def add_routes(app: web.Application, config: Config) -> None:
    """Add all routes: the API under the prefix only, stored files and the description in both places."""
    install_checks(app)
    app[RUNNING] = RunningResponses()
    app[SHARES] = Shares(config.files.max_store_bytes)
    base = api_base(config.server)
    _add_api(app, base)
    for place in (base, f"{base}/v1"):  # NextChat asks at the first, one-api at the second
        app.router.add_get(f"{place}/dashboard/billing/subscription", subscription)
        app.router.add_get(f"{place}/dashboard/billing/usage", usage)
    for place in dict.fromkeys(("", base)):
        app.router.add_get(f"{place}/{IMAGES}/{{name}}", image)
        app.router.add_get(f"{place}/{FILES}/{{name}}", file)
        app.router.add_get(f"{place}{PATH}", description)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/", root)
    app.router.add_get("/console/{path:.+}", asset)


def _add_api(app: web.Application, base: str) -> None:
    app.router.add_post(f"{base}/v1/chat/completions", chat_completions)
    app.router.add_post(f"{base}/v1/completions", completions)
    app.router.add_post(f"{base}/v1/responses", create_response)
    app.router.add_get(f"{base}/v1/responses/{{id}}", get_response)
    app.router.add_delete(f"{base}/v1/responses/{{id}}", delete_response)
    app.router.add_post(f"{base}/v1/responses/{{id}}/cancel", cancel_response)
    app.router.add_get(f"{base}/v1/responses/{{id}}/input_items", list_input_items)
    app.router.add_post(f"{base}/v1/images/generations", image_generations)
    app.router.add_post(f"{base}/v1/images/edits", image_edits)
    app.router.add_post(f"{base}/v1/images/variations", image_variations)
    app.router.add_post(f"{base}/v1/audio/speech", speech)
    app.router.add_post(f"{base}/v1/audio/transcriptions", transcriptions)
    app.router.add_get(f"{base}/v1/models", list_models)
    app.router.add_get(f"{base}/v1/models/{{id:.+}}", get_model)
    app.router.add_post(f"{base}/v1/files", create_file)
    app.router.add_get(f"{base}/v1/files", list_files)
    app.router.add_get(f"{base}/v1/files/{{id}}", get_file)
    app.router.add_delete(f"{base}/v1/files/{{id}}", delete_file)
    app.router.add_get(f"{base}/v1/files/{{id}}/content", file_content)
    app.router.add_post(f"{base}/getAccountID", account_ids)
