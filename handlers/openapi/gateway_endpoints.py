"""The table's rows for endpoints of the gateway's own: accounts, stored files, health."""

from handlers.about.accounts import account_ids
from handlers.about.billing import subscription, usage
from handlers.about.health import healthz, metrics, readyz
from handlers.about.usage import usage as account_usage
from handlers.console.pages import asset, root
from handlers.files.media import file, image
from handlers.openapi.endpoint import Endpoint, Parameter, Place
from handlers.openapi.parameters import LINK_EXPIRES, LINK_SIGNATURE, path_id
from service.answers import gateway

GATEWAY_ENDPOINTS = (
    Endpoint(
        method="post",
        path="/getAccountID",
        id="listAccountIds",
        handler=account_ids,
        summary="The credential's account ids, by plan.",
        tag="Gateway",
        answer=dict[str, list[str]],
        errors=(401, 403, 429, 502, 503, 504),
    ),
    Endpoint(
        method="get",
        path="/v1/usage",
        id="getUsage",
        handler=account_usage,
        summary="What is used of the allowance of a Codex account, and of a gateway key's budgets.",
        tag="Gateway",
        answer=gateway.AccountUsage,
        errors=(401, 403, 404, 429, 502, 503, 504),
    ),
    *(
        Endpoint(
            method="get",
            path=f"{place}/dashboard/billing/{name}",
            id=f"{operation}{suffix}",
            handler=handler,
            summary="What balance buttons ask for: nothing is counted or sold here.",
            tag="Gateway",
            answer=answer,
            errors=(401,),
        )
        for place, suffix in (("", ""), ("/v1", "OfApi"))
        for name, operation, handler, answer in (
            ("subscription", "getSubscription", subscription, gateway.Subscription),
            ("usage", "getBilledUsage", usage, gateway.BilledUsage),
        )
    ),
    Endpoint(
        method="get",
        path="/images/{name}",
        id="getImage",
        handler=image,
        summary="A stored picture, or a range of it; the name is the key.",
        tag="Stored files",
        place=Place.BOTH,
        media=("image/*", "application/octet-stream"),
        parameters=(path_id("As an answer names it.", "name"), LINK_EXPIRES, LINK_SIGNATURE),
        errors=(404, 500),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/files/{name}",
        id="getStoredFile",
        handler=file,
        summary="A stored file, or a range of it; the name is the key.",
        tag="Stored files",
        place=Place.BOTH,
        media=("*/*",),
        parameters=(path_id("As an answer names it.", "name"), LINK_EXPIRES, LINK_SIGNATURE),
        errors=(404, 500),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/healthz",
        id="getHealth",
        handler=healthz,
        summary="Whether the process is alive.",
        tag="Gateway",
        place=Place.ROOT,
        answer=gateway.Health,
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/readyz",
        id="getReadiness",
        handler=readyz,
        summary="Whether requests can be served now, with the reason for each part that cannot.",
        tag="Gateway",
        place=Place.ROOT,
        answer=gateway.Readiness,
        parameters=(
            Parameter(
                "exclude",
                "query",
                "Parts to leave out.",
                {
                    "type": "array",
                    "items": {"type": "string", "enum": ["state", "blobs", "upstream"]},
                },
            ),
            Parameter("verbose", "query", "With it, all that is known of each part."),
        ),
        errors=(400,),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/metrics",
        id="getMetrics",
        handler=metrics,
        summary="All figures, for Prometheus; with `metrics.enabled` off there are none.",
        tag="Gateway",
        place=Place.ROOT,
        media=("text/plain",),
        errors=(404,),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/",
        id="getIndex",
        handler=root,
        summary="The console page for browsers; for all others, what this is and where its parts are.",
        tag="Gateway",
        place=Place.ROOT,
        answer=gateway.Index,
        media=("text/html",),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/console/{path}",
        id="getConsoleFile",
        handler=asset,
        summary="A part of the console page.",
        tag="Gateway",
        place=Place.ROOT,
        media=("text/css", "text/html", "text/javascript", "text/plain", "image/svg+xml"),
        parameters=(path_id("The path of the part.", "path", may_have_slashes=True),),
        errors=(404,),
        needs_key=False,
    ),
)
