"""The AppKey constants, and nothing else."""

import asyncio

from aiohttp import web

from service.admin.admin_key import AdminKey
from service.admin.ports import ManagedKeys, SignIns
from service.ledger.call_writer import CallWriter
from service.ledger.ports import CallLog, KeyBudgets
from service.observing.metrics import Metrics
from service.observing.tracing import Tracing
from service.observing.unknown_events import UnknownEvents
from service.ports import (
    Acceptance,
    Accounts,
    Allowances,
    BlobStore,
    Catalogue,
    LinkSigner,
    Reachable,
    RouteStates,
    Speech,
    StateStore,
    TokenExchange,
    Transcriptions,
    Turns,
    UploadStore,
)
from service.settings.config import Config
from service.turns.key_limits import KeyLimits
from service.turns.summaries import Sealer
from service.vocabulary.credentials import UpstreamChoice
from service.vocabulary.gateway_keys import GatewayKeys

CONFIG = web.AppKey("CONFIG", Config)
CHOICE = web.AppKey("CHOICE", UpstreamChoice)
METRICS = web.AppKey("METRICS", Metrics)
UNKNOWN_EVENTS = web.AppKey("UNKNOWN_EVENTS", UnknownEvents)
STATE = web.AppKey("STATE", StateStore)
ACCEPTANCE = web.AppKey("ACCEPTANCE", Acceptance)
TOKENS = web.AppKey("TOKENS", TokenExchange)
BLOBS = web.AppKey("BLOBS", BlobStore)
UPLOADS = web.AppKey("UPLOADS", UploadStore)
LINKS = web.AppKey("LINKS", LinkSigner)
SEALER = web.AppKey("SEALER", Sealer)
GATEWAY_KEYS = web.AppKey("GATEWAY_KEYS", GatewayKeys)
KEY_BUDGETS = web.AppKey("KEY_BUDGETS", KeyBudgets)
CALL_WRITER = web.AppKey("CALL_WRITER", CallWriter)
CALL_LOG = web.AppKey("CALL_LOG", CallLog)
KEY_LIMITS = web.AppKey("KEY_LIMITS", KeyLimits)
TURNS = web.AppKey("TURNS", Turns)
SPEECH = web.AppKey("SPEECH", Speech)
TRANSCRIPTIONS = web.AppKey("TRANSCRIPTIONS", Transcriptions)
CATALOGUE = web.AppKey("CATALOGUE", Catalogue)
ACCOUNTS = web.AppKey("ACCOUNTS", Accounts)
ALLOWANCES = web.AppKey("ALLOWANCES", Allowances)
ADMIN_KEY = web.AppKey("ADMIN_KEY", AdminKey)  # missing without one, as are the next two
MANAGED_KEYS = web.AppKey("MANAGED_KEYS", ManagedKeys)
SIGN_INS = web.AppKey("SIGN_INS", SignIns)
TRACING = web.AppKey("TRACING", Tracing)  # missing without traces
UPSTREAM = web.AppKey("UPSTREAM", Reachable)
ROUTES = web.AppKey("ROUTES", RouteStates)
DRAINING = web.AppKey("DRAINING", asyncio.Event)
