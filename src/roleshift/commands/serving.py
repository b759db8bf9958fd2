"""`roleshift serve`: the version behind an alias, through OpenAI's interface."""

import logging
import os
from typing import Annotated

import typer

from roleshift.project import Project

KEY = "ROLESHIFT_API_KEY"


def serve(
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine an API key is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    alias: Annotated[str | None, typer.Option(help="The alias to follow; default: serving.alias.")] = None,
) -> None:
    """Serve the version behind an alias, and follow it when the alias moves (settings: `serving` in params.yaml).

    ROLESHIFT_API_KEY, where it is set, must come with every request.
    """
    import uvicorn

    from roleshift.errors import RoleShiftError
    from roleshift.params import load_params
    from roleshift.registry.tracking import tracking_of
    from roleshift.serving.app import make_app
    from roleshift.serving.server import Server

    project = Project.discover()
    params = load_params(project.root / "params.yaml")
    if alias is not None:
        params = params.model_copy(update={"serving": params.serving.model_copy(update={"alias": alias})})
    key = os.environ.get(KEY)
    if key is None and host not in ("127.0.0.1", "::1", "localhost"):
        raise RoleShiftError(f"--host {host} is open to other machines: set {KEY} first")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    server = Server(project, params, lambda: tracking_of(project, params, create=False))
    config = uvicorn.Config(
        make_app(server, key=key), host=host, port=port, log_level="warning", timeout_keep_alive=15,
        timeout_graceful_shutdown=int(params.serving.timeout_seconds) + 5,
    )  # fmt: skip
    listening = config.bind_socket()
    listening.listen(config.backlog)  # so that whoever reads the next line can connect
    logging.getLogger("roleshift.serving").info("listening on http://%s:%d", host, listening.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listening])
