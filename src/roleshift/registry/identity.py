"""Who acts: the user that the MLflow server has authenticated, else this machine's."""

from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from roleshift.databases import redacted
from roleshift.errors import RoleShiftError
from roleshift.registry.manifest import user
from roleshift.registry.tracking import is_server, reporting

CURRENT_USER = "/api/2.0/mlflow/users/current"
"""Answered by a server that runs with `--app-name basic-auth`; others do not know the address."""


def acting_user(tracking_uri: str) -> str:
    """The name under which a change is recorded and checked against the approvers.

    A server with authentication is asked whom it sees, so that a name set in the environment counts
    only with its password. A server without it knows nobody: there, and without a server, it is the
    user of this machine. A page with sign-in names its own user instead. Raises where the server
    cannot be reached or refuses the credentials.
    """
    if not is_server(tracking_uri):
        return user()
    with reporting(tracking_uri):
        credentials = get_default_host_creds(tracking_uri)  # type: ignore[no-untyped-call]
        response = http_request(credentials, CURRENT_USER, "GET", raise_on_status=False)  # type: ignore[no-untyped-call]
        if response.status_code == 404:
            return user()
        if response.status_code in (401, 403):
            raise RoleShiftError(
                f"tracking store {redacted(tracking_uri)}: it does not accept your credentials; set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        response.raise_for_status()
        found = response.json()
    return str(found.get("user", found)["username"])
