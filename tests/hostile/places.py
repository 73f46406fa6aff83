"""Paths, methods, ids and credentials that are not the caller's to use."""

import json
from typing import Any

from handlers.conversations.fields import MAX_ITEMS
from service.vocabulary.gateway_keys import PREFIX
from tests.handlers.responses.test_fields import LEAST
from tests.hostile.bodies import WHOLE
from tests.hostile.case import CHAT, CONVERSATIONS, FILES, JSON, RESPONSES, Hostile, Section, short


def _got(
    name: str, path: str, why: str, status: int = 404, method: str = "GET", **more: Any
) -> Hostile:
    more = {"code": {404: "not_found", 405: "method_not_allowed"}.get(status), **more}
    return Hostile(
        name, f"{method} {short(path)}", status, why=why, method=method, path=path, **more
    )


NOTHING = "there is nothing"
_ITEM = {"role": "user", "content": "Hello"}
ITEMS = json.dumps({"items": [_ITEM]}).encode()
MANY_ITEMS = json.dumps({"items": [_ITEM] * (MAX_ITEMS + 1)}).encode()
GOES_ON = json.dumps({**LEAST, "conversation": "{conversation}"}).encode()
PATHS = Section(
    "Paths and methods",
    "What is not in the table of routes is answered with JSON, and a path is quoted in part only.",
    (
        _got("steps upwards", "/images/../../etc/passwd", NOTHING),
        _got("encoded steps upwards", "/images/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "a name is one step"),
        _got("steps that are encoded twice", "/images/%252e%252e%252fdata", "a name is decoded once"),
        _got("a step upwards with a backslash", "/files/..%5C..%5Cconfig.yaml", "a name is one step"),
        _got("a zero byte in a name", "/images/a.png%00.txt", NOTHING),
        _got("a name that is no UTF-8", "/images/%ff%fe", NOTHING),
        _got("a slash in more bytes than it needs", "/images/%c0%ae%c0%ae%c0%af", NOTHING),
        _got("a hidden file", "/files/.hidden", NOTHING),
        _got("the settings", "/config.yaml", "no file is served from where it runs"),
        _got("the secret that encrypts", "/data/secret.key", "no file is served from where it runs"),
        _got("the code of the console, upwards", "/console/../../pyproject.toml", NOTHING),
        _got("the code of the console, encoded", "/console/%2e%2e/%2e%2e/pages.py", "the console's files are a list"),
        _got("the code of the console, absolute", "/console//etc/passwd", "the console's files are a list"),
        _got("a repository", "/.git/config", NOTHING),
        _got("the environment", "/.env", NOTHING),
        _got("a path of six kilobytes", "/" + "a" * 6000, "quoted in part only"),
        _got("markup as a path", "/%3Cscript%3Ealert(1)%3C/script%3E", "the answer is JSON, and quotes it encoded"),
        _got("a line break in a path", "/x%0d%0aX-Evil:%201", "it becomes no header"),
        _got("the upstream's own path", "/backend-api/me", "nothing is passed on"),
        _got("a path to debug", "/debug/pprof/", NOTHING),
        _got("an administrator's path", "/admin", NOTHING),
        _got("two slashes", "//v1/models", NOTHING),
        _got("GET of a chat", CHAT, "the answer names the method", 405),
        _got("DELETE of all models", "/v1/models", "the answer names the method", 405, "DELETE"),
        _got("TRACE", CHAT, "nothing is echoed", 405, "TRACE"),
        _got("a method that nobody has", CHAT, "it is no HTTP", 400, "EVIL", code="invalid_request"),
        _got("PUT of a stored file", "/files/x.txt", "links are read only", 405, "PUT"),
        _got("PROPFIND", "/", "the answer names the method", 405, "PROPFIND"),
    ),
)  # fmt: skip

SAME = "it is answered as if there were none"
STRANGERS = Section(
    "Ids and links of others",
    "The file, the response and the link are there, and belong to another caller of this gateway.",
    (
        _got("somebody else's file", f"{FILES}/{{file}}", SAME, param="id"),
        _got("the content of somebody else's file", f"{FILES}/{{file}}/content", SAME, param="id"),
        _got("somebody else's file, away with it", f"{FILES}/{{file}}", SAME, method="DELETE", param="id"),
        _got("a file of nobody", f"{FILES}/file-{'a' * 24}", "there is none", param="id"),
        _got("a file id that leads upwards", f"{FILES}/..%2f..%2fx", "an id is not part of a path on disk", param="id"),
        _got("a file id of three thousand characters", f"{FILES}/{'a' * 3000}", "there is none", param="id"),
        _got("a file id with a zero byte", f"{FILES}/file-%00/content", "there is none", param="id"),
        _got("somebody else's response", f"{RESPONSES}/{{response}}", SAME, param="id"),
        _got("what somebody else asked", f"{RESPONSES}/{{response}}/input_items", SAME, param="id"),
        _got("somebody else's response, stopped", f"{RESPONSES}/{{response}}/cancel", SAME, method="POST", param="id"),
        _got("somebody else's response, away with it", f"{RESPONSES}/{{response}}", SAME, method="DELETE", param="id"),
        _got("a response id that leads upwards", f"{RESPONSES}/..%2f..%2fkeys", "there is none", param="id"),
        _got("a response id that is a pattern", f"{RESPONSES}/*", "there is none", param="id"),
        _got("a response id that is SQL", f"{RESPONSES}/'%20OR%201=1--", "there is none", param="id"),
        _got("somebody else's response, streamed", f"{RESPONSES}/{{response}}?stream=true", SAME, param="id"),
        _got("a number of an event that is none", f"{RESPONSES}/{{response}}?stream=true&starting_after=-1", "it is a number", 400, code="invalid_request", param="starting_after"),
        _got("somebody else's conversation", f"{CONVERSATIONS}/{{conversation}}", SAME, param="conversation"),
        _got("the items of somebody else's conversation", f"{CONVERSATIONS}/{{conversation}}/items", SAME, param="conversation"),
        _got("an item of somebody else's conversation", f"{CONVERSATIONS}/{{conversation}}/items/{{said}}", SAME, param="conversation"),
        _got("somebody else's conversation, away with it", f"{CONVERSATIONS}/{{conversation}}", SAME, method="DELETE", param="conversation"),
        _got("items for somebody else's conversation", f"{CONVERSATIONS}/{{conversation}}/items", SAME, method="POST", param="conversation", body=ITEMS, headers=JSON),
        _got("somebody else's conversation, gone on with", RESPONSES, SAME, method="POST", param="conversation", body=GOES_ON, headers=JSON),
        _got("a conversation id that leads upwards", f"{CONVERSATIONS}/..%2f..%2fkeys", "there is none", param="conversation"),
        _got("a conversation id that is a pattern", f"{CONVERSATIONS}/*", "there is none", param="conversation"),
        _got("a conversation id with colons, like a key of the store", f"{CONVERSATIONS}/a:b:c", "an id holds none", param="conversation"),
        _got("more items than one request may bring", CONVERSATIONS, "they are counted", 400, method="POST", code="invalid_request", param="items", body=MANY_ITEMS, headers=JSON),
        _got("a link without its signature", "/{unsigned}", "it is answered as if there were no file"),
        _got("a link with an empty signature", "/{unsigned}?e=&s=", "it is answered as if there were no file"),
        _got("a link with a forged signature", "/{unsigned}?e=9999999999&s=" + "A" * 43, "it is answered as if there were no file"),
        _got("a link whose time is set back", "/{later}", "the time is signed, too"),
        _got("a link whose signature is another name's", "/{other}", "the name is signed, too"),
        _got("a model that leads upwards", "/v1/models/..%2f..%2fme", "a name is looked up in a list", code="model_not_found", param="model"),
        _got("a list of files after something else", f"{FILES}?after=%00&limit=x", "a limit is a number", 400, code="invalid_request", param="limit"),
        _got("a list of files without end", f"{FILES}?limit=99999999999999999999", "a limit is bounded", 400, code="invalid_request", param="limit"),
    ),
)  # fmt: skip


def _key(name: str, value: str | None, why: str, status: int = 401, **more: Any) -> Hostile:
    """Return a chat with this in its header `Authorization`."""
    more = {"code": "invalid_api_key" if status == 401 else None, **more}
    headers = {**JSON, "Authorization": value, **more.pop("headers", {})}
    shown = more.pop(
        "shown",
        f"Authorization: {short(value)}" if value is not None else "no header Authorization",
    )
    return Hostile(name, shown, status, why=why, body=WHOLE, headers=headers, **more)


DEAD = "its hash is not among the keys; it is not sent anywhere"
NOT_SENT = "it is no refresh token, and is sent to no token service"
CREDENTIALS = Section(
    "Tokens and gateway keys",
    "Each is sent with a good chat, and none is repeated in an answer. Keys begin with "
    f"`{PREFIX}`. The demo upstream takes whatever token it is sent.",
    (
        _key("no credential", None, "there is no caller"),
        _key("an empty header", "", "there is no caller"),
        _key("a scheme and no token", "Bearer", "there is no caller"),
        _key("a scheme and blanks", "Bearer   ", "there is no caller"),
        _key("a name and a password", "Basic YWRtaW46YWRtaW4=", "it is no bearer"),
        _key("a token with a blank", "Bearer a b", "no token has one, but made-up keys do", 200),
        _key("a token in other letters", "Bearer ключ", "a token is ASCII"),
        _key("a token of six kilobytes", "Bearer " + "a" * 6000, "it is a token like any other", 200),
        _key("a token that is a comma", "Bearer ,", "there is no token before the account"),
        _key("an account that breaks a header", "Bearer fk-x,a b", "an account becomes a header upstream"),
        _key("a token in the address", None, "nothing is read from the address", path=f"{CHAT}?api_key=fk-secret&access_token=fk-secret", shown="?api_key=fk-secret"),
        _key("a token in a cookie", None, "nothing is read from cookies", headers={"Cookie": "token=fk-secret"}, shown="Cookie: token=fk-secret"),
        _key("a gateway key of nobody", f"Bearer {PREFIX}" + "a" * 8 + "b" * 43, DEAD),
        _key("a gateway key that was revoked", "Bearer {revoked}", DEAD),
        _key("half a gateway key", f"Bearer {PREFIX}" + "a" * 8, DEAD),
        _key("a gateway key and an account", "Bearer {key},other", "the account is the key's", 403, code="permission_error"),
        _key("a gateway key in capitals", f"Bearer {PREFIX.upper()}" + "a" * 8 + "b" * 43, NOT_SENT),
        _key("a gateway key in quotes", f'Bearer "{PREFIX}' + "a" * 8 + "b" * 43 + '"', NOT_SENT),
        _key("a gateway key after its name", f"Bearer token={PREFIX}" + "a" * 8 + "b" * 43, NOT_SENT),
        _key("a gateway key for an account", f"Bearer a-refresh-token,{PREFIX}" + "a" * 8 + "b" * 43, NOT_SENT),
        _key("a key of OpenAI's API", "Bearer sk-proj-" + "a" * 48, NOT_SENT),
        _key("a key of Anthropic's API", "Bearer sk-ant-api03-" + "a" * 48, NOT_SENT),
        _key("a gateway key for other models", "Bearer {narrow}", "a key may be held to some models", 404, code="model_not_found", param="model"),
    ),
)  # fmt: skip
