"""Who may do what: by role where people sign in, by where they sit where they do not."""

from types import SimpleNamespace

import pytest
from streamlit import config

from components import identity
from roleshift.errors import RoleShiftError


class Person(dict[str, object]):
    is_logged_in = True


def signed_in(monkeypatch: pytest.MonkeyPatch, roles: dict[str, str], **claims: object) -> tuple[str, str]:
    given = {"auth": {"client_id": "x"}, "roles": roles}
    monkeypatch.setattr(identity, "_configured", given.__getitem__)
    monkeypatch.setattr(identity.st, "user", Person(claims))
    return identity.person()


@pytest.mark.parametrize(
    ("email", "role"),
    [("ann@example.org", "approver"), ("ANN@example.org", "approver"), ("eve@example.org", "viewer"), ("", "viewer")],
)
def test_a_person_has_the_role_of_their_address(monkeypatch: pytest.MonkeyPatch, email: str, role: str) -> None:
    assert signed_in(monkeypatch, {"Ann@example.org": "approver"}, email=email) == (email, role)


def test_an_address_that_the_provider_has_not_verified_gives_no_role(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = {"ann@example.org": "approver"}
    assert signed_in(monkeypatch, roles, email="ann@example.org", email_verified=False)[1] == "viewer"


def test_a_misspelt_role_gives_no_more_than_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    assert signed_in(monkeypatch, {"ann@example.org": "aprover"}, email="ann@example.org")[1] == "viewer"
    assert not identity.may("reviewer")


@pytest.mark.parametrize(
    ("address", "headers", "elsewhere"),
    [
        (None, {}, False),
        ("127.0.0.1", {}, False),
        ("10.0.0.7", {}, True),
        (None, {"X-Forwarded-For": "10.0.0.7"}, True),
    ],
)
def test_without_sign_in_only_this_machine_is_served(
    monkeypatch: pytest.MonkeyPatch, address: str | None, headers: dict[str, str], elsewhere: bool
) -> None:
    monkeypatch.setattr(identity, "_configured", lambda _: {})
    monkeypatch.setattr(identity.st, "context", SimpleNamespace(ip_address=address, headers=headers))
    before = identity.st.get_option("server.address")
    config.set_option("server.address", "127.0.0.1")
    try:
        assert identity.person()[1] == ("viewer" if elsewhere else "approver")
        assert identity._from_elsewhere() is elsewhere
    finally:
        config.set_option("server.address", before)


def test_without_sign_in_a_server_says_who_acts_and_who_is_not_known_may_only_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity, "_configured", lambda _: {})
    monkeypatch.setattr(identity.st, "context", SimpleNamespace(ip_address=None, headers={}))
    monkeypatch.setattr(identity.st, "get_option", lambda _: "127.0.0.1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    for answer, expected in ((("ann", None), ("ann", "approver")), ((None, "it is down"), (identity.user(), "viewer"))):
        monkeypatch.setattr(identity, "acting_user", lambda uri, answer=answer: says(uri, *answer))
        identity._acting.clear()
        assert identity.person() == expected
    identity._acting.clear()


def says(uri: str, name: str | None, problem: str | None) -> str:
    assert uri == "http://127.0.0.1:1"
    if problem is not None:
        raise RoleShiftError(problem)
    return str(name)
