"""The tables that cross stages. Each is checked on every read and write.

A file carries its contract's name and version in its Parquet metadata; a file of another version
is refused with the remedy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from roleshift.errors import RoleShiftError
from roleshift.files import replacing
from roleshift.tasks import Capability

Slices: pl.DataType = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))

CAPABILITIES = ("capability", get_args(Capability))
ITEM_KEY = ("example_id", "model_id", "variant", "shots", "perturbation")


@dataclass(frozen=True)
class Contract:
    """A table's name, version, columns, which of them may be null, its key, and what a column may hold."""

    name: str
    version: int
    schema: pl.Schema
    key: tuple[str, ...]
    nullable: frozenset[str] = frozenset()
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()


EXAMPLES = Contract(
    "examples",
    1,
    pl.Schema(
        {
            "example_id": pl.String(),  # content hash of task, input, references, slices in the instruction
            "task_definition": pl.String(),
            "capability": pl.String(),
            "language": pl.String(),
            "domain": pl.String(),
            "input": pl.String(),
            "references": pl.List(pl.String()),
            "group_id": pl.String(),  # what must not be split apart
            "slices": Slices,
            "source": pl.String(),
            "licence": pl.String(),
        }
    ),
    ("example_id",),
    choices=(CAPABILITIES,),
)
ITEMS = Contract(
    "items",
    1,
    pl.Schema(
        {
            "example_id": pl.String(),
            "model_id": pl.String(),  # content hash of base and adapter; a floor's name
            "variant": pl.String(),  # torch-bf16, onnx-fp32, onnx-int8, floor-first-sentence, ...
            "shots": pl.Int32(),
            "perturbation": pl.String(),  # "none", or its name
            "task_definition": pl.String(),
            "capability": pl.String(),
            "language": pl.String(),
            "domain": pl.String(),
            "slices": Slices,
            "group_id": pl.String(),
            "split": pl.String(),
            "artifact_id": pl.String(),  # hash of weights, builder and runtime version
            "prompt_hash": pl.String(),
            "settings_hash": pl.String(),
            "references_hash": pl.String(),
            "output": pl.String(),  # null where a committed copy leaves it out
            "prompt_tokens": pl.Int32(),
            "output_tokens": pl.Int32(),
            "finish_reason": pl.String(),  # stop, length (cut at the limit), none (a floor)
            "origin": pl.String(),  # "measured", or where it was imported from
        }
    ),
    ITEM_KEY,
    frozenset({"output"}),
    choices=(CAPABILITIES,),
)
SCORES = Contract(
    "scores",
    1,
    pl.Schema(
        {
            "example_id": pl.String(),
            "model_id": pl.String(),
            "variant": pl.String(),
            "shots": pl.Int32(),
            "perturbation": pl.String(),
            "metric": pl.String(),
            "score": pl.Float64(),  # in [0, 1]
            "statistics": pl.List(pl.Float64()),  # sufficient statistics of the corpus score
            "signature": pl.String(),
        }
    ),
    (*ITEM_KEY, "metric"),
)
TIMINGS = Contract(
    "timings",
    1,
    pl.Schema(
        {
            "example_id": pl.String(),
            "model_id": pl.String(),
            "variant": pl.String(),
            "shots": pl.Int32(),
            "perturbation": pl.String(),
            "prompt_seconds": pl.Float64(),
            "decode_seconds": pl.Float64(),
            "batch_size": pl.Int32(),
        }
    ),
    ITEM_KEY,
)


def check(frame: pl.DataFrame, contract: Contract, where: str) -> None:
    """Raise an error that names file, column and row where a table breaks its contract."""
    missing = [name for name in contract.schema if name not in frame.columns]
    if missing:
        raise RoleShiftError(f"{where}: {contract.name} lacks the column {missing[0]!r}")
    for name, dtype in contract.schema.items():
        if frame.schema[name] != dtype:
            raise RoleShiftError(f"{where}: column {name!r} is {frame.schema[name]}, not {dtype}")
        if name not in contract.nullable and frame[name].null_count():
            row = frame[name].is_null().arg_max()
            raise RoleShiftError(f"{where}: row {row}: {name!r} is missing")
    for name, dtype in contract.schema.items():
        if dtype == pl.Float64 and not frame[name].is_finite().all():
            row = frame[name].is_finite().not_().arg_max() or 0
            raise RoleShiftError(f"{where}: row {row}: {name!r} is {frame[name][row]}, not a finite number")
        if dtype == pl.List(pl.Float64):
            finite = frame.select(pl.col(name).list.eval(pl.element().is_finite().fill_null(False)).list.all())[name]
            if not finite.all():
                row = finite.not_().arg_max() or 0
                raise RoleShiftError(f"{where}: row {row}: {name!r} holds a value that is no finite number")
    for name, allowed in contract.choices:
        known = frame[name].is_in(allowed)
        if not known.all():
            row = known.not_().arg_max() or 0
            raise RoleShiftError(
                f"{where}: row {row}: unknown {name} {frame[name][row]!r}; known are {', '.join(allowed)}"
            )
    duplicates = frame.select(contract.key).is_duplicated()
    if duplicates.any():
        row = duplicates.arg_max()
        raise RoleShiftError(f"{where}: row {row}: the key {frame.select(contract.key).row(row or 0)} stands twice")


def write_table(path: Path, frame: pl.DataFrame, contract: Contract) -> None:
    """Check, order by key, and write as Parquet, atomically; the same rows give the same bytes."""
    check(frame, contract, str(path))
    table = frame.select(contract.schema.names()).sort(contract.key).to_arrow(compat_level=pl.CompatLevel.oldest())
    metadata = {b"contract": contract.name.encode(), b"version": str(contract.version).encode()}
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_table(path: Path, contract: Contract) -> pl.DataFrame:
    """Read and check a Parquet file; every defect is a one-line error that names it."""
    if not path.is_file():
        raise RoleShiftError(f"{path}: no such file; run `make repro` (or `dvc pull`) to get it")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise RoleShiftError(f"{path}: not a readable Parquet file ({error}); run its stage again") from None
    metadata = table.schema.metadata or {}
    found = (metadata.get(b"contract", b"").decode(), metadata.get(b"version", b"").decode())
    if found != (contract.name, str(contract.version)):
        raise RoleShiftError(
            f"{path}: holds {found[0] or 'an unnamed table'} version {found[1] or 'unknown'}, "
            f"this RoleShift reads {contract.name} version {contract.version}; run its stage again"
        )
    frame = pl.DataFrame(pl.from_arrow(table))
    present = {name: dtype for name, dtype in contract.schema.items() if name in frame.columns}
    try:
        frame = frame.cast(present)  # type: ignore[arg-type]
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[0]
        raise RoleShiftError(f"{path}: its columns are not those of {contract.name} ({said})") from None
    check(frame, contract, str(path))
    return frame


def slices_to_map(slices: list[dict[str, str]]) -> dict[str, str]:
    """A row's slices as a mapping."""
    return {entry["name"]: entry["value"] for entry in slices}


def slices_from_map(slices: dict[str, str]) -> list[dict[str, str]]:
    """A mapping as a row's slices, by name."""
    return [{"name": name, "value": slices[name]} for name in sorted(slices)]
