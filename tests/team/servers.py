"""PostgreSQL, an S3 store and an MLflow server with authentication, on loopback, for one test session."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import psycopg

from roleshift.dashboard import free_port

SUPERUSER = "postgres"
SECRET = "only-from-the-environment"
"""Every password and key of the test contains it, so that a leak is found."""
START_SECONDS = 120


def password(name: str) -> str:
    return f"{SECRET}-{name}"


def postgresql_binaries() -> Path:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("postgres")
    if found is None:
        raise RuntimeError("PostgreSQL is missing: apt-get install postgresql")
    return Path(found).resolve().parent


@contextmanager
def running(command: list[str], log: Path, environment: dict[str, str], **options: object) -> Iterator[None]:
    """A process in a group of its own, ended with all of its children."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=environment, start_new_session=True, **options
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_database(binaries: Path, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if subprocess.run([str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL does not start: {log.read_text()[-2000:]}")


def wait_for_answer(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError:
            return  # it asks for a password: it is up
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{url} does not answer: {log.read_text()[-2000:]}")


@contextmanager
def postgresql() -> Iterator[str]:
    """Host and port of a new PostgreSQL with password authentication; run as `postgres`, since it refuses root."""
    binaries, port = postgresql_binaries(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="roleshift-postgresql-"))
    account = {"user": SUPERUSER, "group": SUPERUSER, "extra_groups": []} if os.getuid() == 0 else {}
    secret = folder / "password"
    secret.write_text(password(SUPERUSER))
    if account:
        shutil.chown(folder, SUPERUSER, SUPERUSER)
        shutil.chown(secret, SUPERUSER, SUPERUSER)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    data = str(folder / "data")
    try:
        subprocess.run(
            [str(binaries / "initdb"), "-D", data, "-U", SUPERUSER, "--auth=scram-sha-256", "--no-sync", "-E", "UTF8",
             f"--pwfile={secret}"],
            check=True, capture_output=True, env=environment, cwd="/", **account,
        )  # fmt: skip
        log = folder / "log"
        command = [str(binaries / "postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", str(folder),
                   "-c", "fsync=off"]  # fmt: skip
        with running(command, log, environment, cwd="/", **account):
            wait_for_database(binaries, port, log)
            yield f"127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder)


def rows_with(host: str, database: str, text: str) -> dict[str, tuple[int, int]]:
    """By table of a database: its rows, and those that hold a text in any column."""
    address = f"postgresql://{SUPERUSER}@{host}/{database}"
    found = {}
    with psycopg.connect(address, password=password(SUPERUSER)) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            query = f'SELECT count(*), count(*) FILTER (WHERE strpos(t::text, %s) > 0) FROM "{name}" AS t'
            found[name] = connection.execute(query, (text,)).fetchone()
    return found


def objects(address: str) -> dict[str, bytes]:
    """Every object in the bucket by its key."""
    keys = store_keys(address)
    client = boto3.client(
        "s3", endpoint_url=address, aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], region_name=keys["AWS_DEFAULT_REGION"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="roleshift")
    names = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return {name: client.get_object(Bucket="roleshift", Key=name)["Body"].read() for name in names}


def execute(host: str, database: str, *statements: str) -> None:
    """Run statements as the administrator, each on its own."""
    address = f"postgresql://{SUPERUSER}@{host}/{database}"
    with psycopg.connect(address, password=password(SUPERUSER), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """The address of an S3 store with an empty bucket `roleshift`."""
    port, log = free_port(), folder / "s3.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, log, dict(os.environ)):
        address = f"http://127.0.0.1:{port}"
        wait_for_answer(f"{address}/moto-api/", log)
        urllib.request.urlopen(urllib.request.Request(f"{address}/roleshift", method="PUT"), timeout=30)
        yield address


def store_keys(address: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": password("s3"),
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def mlflow_server(folder: Path, database: str, store: str, auth_ini: str) -> Iterator[str]:
    """The address of an MLflow server as docs/team.md starts it."""
    port, log = free_port(), folder / "mlflow.log"
    (folder / "auth.ini").write_text(auth_ini)
    environment = dict(os.environ) | store_keys(store) | {
        "PGPASSWORD": password("mlflow"),
        "MLFLOW_BACKEND_STORE_URI": f"postgresql://mlflow@{database}/mlflow",
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://roleshift/mlflow",
        "MLFLOW_S3_ENDPOINT_URL": store,
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": password("admin"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": password("cookies"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }  # fmt: skip
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1",
               "--port", str(port), "--workers", "1"]  # fmt: skip
    with running(command, log, environment, cwd=folder):
        wait_for_answer(f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}"
