"""`/admin/calls` and `/admin/totals`: the log of calls, page by page, and its sums (spec 17)."""

import time

from aiohttp import web

from handlers.admin.fields import MAX_SECONDS, text_in, whole_in, word_in
from handlers.edge.json_replies import json_response
from handlers.reading.json_body import refusal
from service.answers import admin
from service.keys import CALL_LOG
from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.events import Outcome
from service.vocabulary.ledger.calls import (
    FIRST_TOKEN_MS,
    MAX_PAGE,
    Call,
    CallFilter,
    CallTotal,
    Dialect,
    Group,
    Step,
    TotalsFilter,
)

DEFAULT_PAGE = 50
MAX_STEPS = 1_000  # of one answer: forty days of hours, or three years of days
STEP_SECONDS = {Step.HOUR: 3_600, Step.DAY: 86_400}
DEFAULT_STEPS = {Step.HOUR: 24, Step.DAY: 30}
_STATUSES = (100, 599)


async def list_calls(request: web.Request) -> web.Response:
    """Answer with a page of calls, the newest first.

    Raises:
        RequestError: a parameter is wrong.
        StorageError: the log cannot be read.
    """
    query = request.query
    since, until = (whole_in(query, name, 0, MAX_SECONDS) for name in ("since", "until"))
    wanted = CallFilter(
        since_ms=None if since is None else since * 1000,
        until_ms=None if until is None else until * 1000,
        key=text_in(query, "key"),
        account=text_in(query, "account"),
        model=text_in(query, "model"),
        upstream=word_in(query, "upstream", UpstreamKind),
        dialect=word_in(query, "dialect", Dialect),
        outcome=word_in(query, "outcome", Outcome),
        status=whole_in(query, "status", *_STATUSES),
    )
    limit = whole_in(query, "limit", 1, MAX_PAGE) or DEFAULT_PAGE
    try:
        page = await request.app[CALL_LOG].page(wanted, limit, text_in(query, "after"))
    except ValueError as error:
        raise refusal("after", "expected what `next` of the page before says") from error
    return json_response(admin.CallList([_call(each) for each in page.calls], page.next))


async def list_totals(request: web.Request) -> web.Response:
    """Answer with the sums of hours or days.

    Raises:
        RequestError: a parameter is wrong, or the time is too long for one answer.
        StorageError: the log cannot be read.
    """
    query = request.query
    step = word_in(query, "step", Step) or Step.HOUR
    seconds = STEP_SECONDS[step]
    until = whole_in(query, "until", 0, MAX_SECONDS)
    until = int(time.time()) + 1 if until is None else until
    since = whole_in(query, "since", 0, MAX_SECONDS)
    since = max(0, until - DEFAULT_STEPS[step] * seconds) if since is None else since
    if since > until:
        raise refusal("since", "expected a time before `until`")
    if (until - since) / seconds > MAX_STEPS:
        raise refusal("since", f"expected at most {MAX_STEPS} {step}s before `until`")
    wanted = TotalsFilter(
        since_ms=since * 1000,
        until_ms=until * 1000,
        step=step,
        by=word_in(query, "by", Group),
        key=text_in(query, "key"),
        model=text_in(query, "model"),
        outcome=word_in(query, "outcome", Outcome),
    )
    totals = await request.app[CALL_LOG].totals(wanted)
    return json_response(
        admin.TotalList([_total(each) for each in totals], step, list(FIRST_TOKEN_MS))
    )


def _call(call: Call) -> admin.LoggedCall:
    return admin.LoggedCall(
        at=call.at_ms / 1000,
        request_id=call.request_id,
        dialect=call.dialect,
        status=call.status,
        outcome=call.outcome,
        key=call.key,
        account=call.account,
        model=call.model,
        upstream_model=call.upstream_model,
        upstream=call.upstream,
        first_token_ms=call.first_token_ms,
        total_ms=call.total_ms,
        prompt_tokens=call.prompt_tokens,
        completion_tokens=call.completion_tokens,
        cached_tokens=call.cached_tokens,
        reasoning_tokens=call.reasoning_tokens,
        is_estimated=call.is_estimated,
        bytes=call.bytes,
    )


def _total(total: CallTotal) -> admin.Total:
    first = total.first_tokens
    return admin.Total(
        starts_at=total.starts_at,
        group=total.group,
        calls=total.calls,
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
        cached_tokens=total.cached_tokens,
        reasoning_tokens=total.reasoning_tokens,
        bytes=total.bytes,
        first_token_ms=round(total.first_token_ms / first, 1) if first else None,
        first_token_counts=list(total.first_token_counts),
    )
