"""What implements the operator's ports takes their arguments, and no record shows a code."""

import inspect

import pytest

from service.admin import ports
from service.admin.ports import SignIn
from storage.secrets.account_file import AccountFile
from storage.secrets.key_file import KeyFile
from upstream.login.sign_ins import DeviceSignIns

IMPLEMENTATIONS = {
    ports.SignIns: DeviceSignIns,
    ports.ManagedAccounts: AccountFile,
    ports.ManagedKeys: KeyFile,
}


@pytest.mark.parametrize("port", IMPLEMENTATIONS, ids=lambda port: port.__name__)
def test_an_implementation_takes_the_port_s_arguments(port: type) -> None:
    for name, method in vars(port).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            own = inspect.signature(getattr(IMPLEMENTATIONS[port], name))
            assert list(own.parameters) == list(inspect.signature(method).parameters), name


def test_a_sign_in_does_not_show_its_code() -> None:
    assert repr(SignIn("1", "ABCD-EFGH", "https://x", 0)) == "SignIn(1, waiting)"
