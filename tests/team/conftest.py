"""The team's servers, started once and set up by the blocks of docs/team.md."""

from collections.abc import Iterator

import pytest
from members import Team, as_administrator, blocks, statements
from servers import execute, mlflow_server, password, postgresql, s3

from roleshift.registry.audit import AuditLog


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """A PostgreSQL with the roles, databases and rights of docs/team.md, its audit log made by its owner."""
    roles, rights = blocks("sql")
    with postgresql() as host:
        execute(host, "postgres", *statements(roles))
        for role in ("mlflow", "roleshift", "ann", "bob"):
            execute(host, "postgres", f"ALTER ROLE {role} PASSWORD '{password(role)}'")
        execute(host, "roleshift", *statements(rights))
        AuditLog(f"postgresql://roleshift:{password('roleshift')}@{host}/roleshift", "roleshift")
        yield host


@pytest.fixture(scope="session")
def team(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """All servers, and the users ann and bob."""
    folder = tmp_path_factory.mktemp("servers")
    (ini,) = blocks("ini")
    with s3(folder) as store, mlflow_server(folder, database, store, ini.replace("db.example", database)) as server:
        found = Team(database, store, server)
        as_administrator(found, blocks("python")[0])
        yield found
