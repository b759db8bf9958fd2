"""Sign-in through Streamlit's OpenID Connect with a provider on loopback: each role sees what it may do."""

import shutil
from pathlib import Path

import pytest
from provider import CLIENT, SECRET, providing
from served import serving, settle

from roleshift.dashboard import free_port

pytestmark = pytest.mark.e2e
PEOPLE = ["eve@example.org", "rita@example.org", "Ann@example.org"]


def test_people_sign_in_and_may_do_what_their_role_allows(
    smoke: Path, stores: dict[str, str], browser, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    port, issuer_port = free_port(), free_port()
    with providing(issuer_port, PEOPLE) as issuer:
        secrets = f"""
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "{"c" * 40}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"

[roles]
"rita@example.org" = "reviewer"
"ann@example.org" = "approver"
"""
        home = tmp_path / "home"
        (home / ".streamlit").mkdir(parents=True)
        (home / ".streamlit/secrets.toml").write_text(secrets)
        with serving(smoke, port=port, **stores, HOME=str(home)) as address:
            for email, role in zip(PEOPLE, ("viewer", "reviewer", "approver"), strict=True):
                context = browser.new_context(viewport={"width": 1400, "height": 1400})
                context.set_default_timeout(180_000)
                page = context.new_page()
                page.goto(f"{address}/registry?lang=en&version=2")
                expect(page.get_by_text("Sign in to see versions")).to_be_visible()
                assert page.get_by_text("Champion").count() == 0  # nothing is shown before
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("link", name=email).click()
                expect(page.get_by_text(f"Signed in as {email}")).to_be_visible()
                expect(page.get_by_text(f"({role})")).to_be_visible()
                page.goto(f"{address}/registry?lang=en&version=2")
                page.get_by_role("heading", level=1, name="Registry").wait_for()
                settle(page)
                assert page.get_by_role("button", name="Promote version 2").count() == (role == "approver")
                page.goto(f"{address}/review?lang=en")
                page.get_by_role("heading", level=1, name="Review").wait_for()
                settle(page)
                assert page.get_by_role("button", name="Left is better").count() == (role != "viewer")
                context.close()
        shutil.rmtree(home)
