from service.vocabulary import errors
from service.vocabulary.errors import RequestError, ServiceError, UpstreamRefusedError
from service.vocabulary.events import Failure

# Permanent failures are never among those that every client retries (openai-wire 11, 23).
RETRIED = {408, 409, 429}


def branches(kind: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in branches(sub))]


def test_the_tree_in_the_docstring_names_every_branch_with_its_status() -> None:
    tree = {
        line.split()[0]: line.split()[1]
        for line in (errors.__doc__ or "").splitlines()[2:]
        if "Error " in line
    }
    for branch in branches():
        if branch.__module__ != "service.vocabulary.errors":
            continue
        assert tree[branch.__name__] in (str(branch.status), "as")
    assert tree["ServiceError"] == "500"


def test_the_caller_s_mistakes_are_never_retried() -> None:
    assert not {branch.status for branch in branches(RequestError)} & RETRIED
    assert all(branch.type == "invalid_request_error" for branch in branches(RequestError))


def test_an_error_is_a_failure_with_all_its_fields() -> None:
    error = RequestError("Send text.", code="c", param="messages[0]", retry_after_seconds=2)
    assert str(error) == "Send text."
    assert error.failure() == Failure(
        400, "Send text.", "invalid_request_error", "c", "messages[0]", 2
    )


def test_a_refusal_keeps_what_was_mapped() -> None:
    failure = Failure(429, "m", "rate_limit_error", "rate_limit_exceeded", None, 9)
    error = UpstreamRefusedError(failure, 403)
    assert error.failure() == failure
    assert error.upstream_status == 403
