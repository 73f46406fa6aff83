"""Under which name something of an account is found."""

from service.vocabulary.credentials import Caller
from tests.scripted_codex import token_of
from upstream.codex.account.names import AccountNames, shared_name

ONE = Caller(token_of("acc-1", jti="one"), "acc-1", "credential one")
TWO = Caller(token_of("acc-1", jti="two"), "acc-1", "credential two")
CLAIMED = Caller(token_of("acc-2"), "acc-1", "credential three")  # by the caller, not by its token
OPAQUE = Caller("opaque", "acc-1", "credential four")


def test_credentials_of_one_account_share_a_name_once_each_was_accepted():
    accepted: set[str] = set()
    names = AccountNames(accepted.__contains__)
    assert (names.of(ONE), names.of(TWO)) == ("credential one", "credential two")
    accepted |= {"credential one", "credential two", "credential three", "credential four"}
    assert names.of(ONE) == names.of(TWO) == shared_name(ONE)
    assert (names.of(CLAIMED), names.of(OPAQUE)) == ("credential three", "credential four")


def test_what_is_kept_is_found_under_either_name():
    names = AccountNames(lambda _: False)
    assert names.all_of(ONE) == ("credential one", shared_name(TWO))
    assert names.all_of(OPAQUE) == ("credential four",)
