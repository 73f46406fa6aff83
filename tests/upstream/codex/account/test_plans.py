"""The account of a credential, by its plan."""

from service.vocabulary.credentials import Caller
from tests.rows import each_row
from tests.scripted_codex import token_of
from upstream.codex.account.plans import CodexAccounts


@each_row(
    ("token", "plans"),
    [
        (token_of("acc-1", "plus"), {"plus": ["acc-1"], "team": []}),
        (token_of("acc-1", "pro"), {"plus": [], "team": [], "pro": ["acc-1"]}),
        (token_of("", "pro"), {"plus": [], "team": []}),
        ("opaque", {"plus": [], "team": []}),
    ],
)
async def test_a_token_names_one_account(token, plans):
    assert await CodexAccounts().by_plan(Caller(token, None, "a")) == plans
