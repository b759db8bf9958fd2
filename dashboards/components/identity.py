"""Who is looking, and what they may do.

With `[auth]` in Streamlit's secrets people sign in through OpenID Connect, and `[roles]` gives each
e-mail address a role; without it the page serves this machine's user alone, on loopback.
"""

import streamlit as st

from components.language import texts
from components.safe import literal
from roleshift.registry.manifest import user

ROLES = ("viewer", "reviewer", "approver")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _configured(section: str) -> dict[str, str]:
    try:
        return dict(st.secrets.get(section, {}))
    except FileNotFoundError:  # Streamlit's error where there is no secrets file
        return {}


def person() -> tuple[str, str]:
    """Name and role of who is looking."""
    if not _configured("auth"):
        local = st.get_option("server.address") in LOOPBACK
        return user(), "approver" if local else "viewer"
    email = str(st.user.get("email", ""))
    role = _configured("roles").get(email, "viewer")
    return email, role if role in ROLES else "viewer"


def may(role: str) -> bool:
    """Whether who is looking has this role or one above it."""
    return ROLES.index(person()[1]) >= ROLES.index(role)


def sign_in() -> None:
    """Sign in where that is configured; else say that this machine's user is taken."""
    t = texts("shell")
    if _configured("auth") and not st.user.is_logged_in:
        st.button(t("sign_in"), on_click=st.login)
        st.stop()
    name, role = person()
    st.sidebar.caption(t("local_user" if not _configured("auth") else "signed_in", name=literal(name), role=t(role)))
