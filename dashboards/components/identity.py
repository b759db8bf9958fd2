"""Who is looking, and what they may do.

With `[auth]` in Streamlit's secrets people sign in through OpenID Connect, and `[roles]` gives each
e-mail address a role (docs/dashboard.md); without it the page serves this machine alone, on loopback, under the
name that the command line has too: what an MLflow server with users knows, else this machine's user.
"""

from typing import Any

import streamlit as st

from components.language import texts
from components.safe import literal
from roleshift.errors import RoleShiftError
from roleshift.project import Project
from roleshift.registry.identity import acting_user
from roleshift.registry.manifest import user

ROLES = ("viewer", "reviewer", "approver")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _configured(section: str) -> dict[str, Any]:
    try:
        return dict(st.secrets.get(section, {}))
    except FileNotFoundError:  # Streamlit's error where there is no secrets file
        return {}


def _from_elsewhere() -> bool:
    """Whether the visitor sits at another machine, or comes through a proxy, which hides where they sit."""
    address = st.context.ip_address  # None for a visitor of the same machine
    return "X-Forwarded-For" in st.context.headers or (isinstance(address, str) and address not in LOOPBACK)


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)  # a server is not asked, nor waited for, by every button
def _acting(uri: str) -> tuple[str | None, str | None]:
    """Whom the tracking store takes this process for, or why it does not say."""
    try:
        return acting_user(uri), None
    except RoleShiftError as error:
        return None, str(error)


def person() -> tuple[str, str]:
    """Name and role of who is looking; who is not known may look only."""
    if not _configured("auth"):
        name, _ = _acting(Project.discover().tracking_uri)
        local = st.get_option("server.address") in LOOPBACK and not _from_elsewhere()
        return name or user(), "approver" if local and name else "viewer"
    email = str(st.user.get("email") or "")
    if not email or st.user.get("email_verified") is False:
        return email, "viewer"
    role = {name.lower(): given for name, given in _configured("roles").items()}.get(email.lower(), "viewer")
    return email, role if role in ROLES else "viewer"


def may(role: str) -> bool:
    """Whether who is looking has this role or one above it."""
    return ROLES.index(person()[1]) >= ROLES.index(role)


def sign_in() -> None:
    """Sign in where that is configured; else serve this machine only, and say under which name."""
    t = texts("shell")
    if not _configured("auth"):
        if _from_elsewhere():
            st.error(t("loopback_only"), icon=":material/lock:")
            st.stop()
        name, role = person()
        _, problem = _acting(Project.discover().tracking_uri)
        if problem is not None:
            st.sidebar.warning(t("unknown_user", problem=literal(problem)), icon=":material/person_off:")
            return
        st.sidebar.info(t("local_user", name=literal(name), role=t(role)), icon=":material/person:")
        return
    if not st.user.is_logged_in:
        st.title("RoleShift")
        st.write(t("please_sign_in"))
        st.button(t("sign_in"), on_click=st.login, icon=":material/login:", type="primary")
        st.stop()
    name, role = person()
    st.sidebar.caption(t("signed_in", name=literal(name), role=t(role)), help=t(f"{role}_may"))
    st.sidebar.button(t("sign_out"), on_click=st.logout, icon=":material/logout:", type="tertiary")
