"""Envelopes of sealed reasoning."""

from upstream.codex.payload.sealed import seal, unseal


def test_what_was_sealed_for_an_account_is_for_that_account_alone():
    sealed = seal("gAAA:b", "account-1")
    assert "account-1" not in sealed
    assert unseal(sealed, "account-1") == "gAAA:b"
    assert unseal(sealed, "account-2") == ""


def test_what_has_no_envelope_is_tried_once_and_nothing_has_none():
    assert unseal("gAAA", "account-1") == "gAAA"
    assert seal("", "account-1") == ""
    assert unseal("codex-sealed:odd", "account-1") == ""
