"""Export: merge the adapter into the base and write every precision variant. Run: dvc repro export.

Where the exporter does not know the architecture, the merged torch model is the only variant.
"""

from roleshift.contracts import EXAMPLES, read_table
from roleshift.export import model_id_of
from roleshift.export.merging import refuse_other_base
from roleshift.export.parity import parity_text
from roleshift.export.variants import export_variants, write_metrics
from roleshift.stage import Stage, run_stage
from roleshift.training.base import base_folder, base_id


def export(stage: Stage) -> None:
    """Write models/onnx/, metrics/export.json and metrics/timings/export.json."""
    raw_base = stage.root / "data/raw" / stage.params.base.source
    adapter = stage.root / "models/adapter"
    refuse_other_base(adapter, base_id(raw_base))
    exported = export_variants(
        base_folder=base_folder(raw_base, stage.project.converted),
        adapter_folder=adapter,
        model_id=model_id_of(base_id(raw_base), adapter),
        params=stage.params.export,
        seed=stage.params.seed,
        validation=read_table(stage.root / "data/examples/validation.parquet", EXAMPLES),
        tasks=stage.params.task_definitions(),
        work=stage.work,
        out=stage.out / "models/onnx",
    )
    write_metrics(exported, stage.out / "metrics/export.json", stage.out / "metrics/timings/export.json")
    for name, variant in exported.metrics["variants"].items():
        parity = f"; {parity_text(variant['parity'])}" if "parity" in variant else ""
        print(f"{name}: {variant['bytes'] / 1e6:.0f} MB{parity}")
    if not exported.metrics["supported"]:
        print(f"no ONNX export: {exported.metrics['reason']}; the merged torch model ships")


if __name__ == "__main__":
    run_stage("export", export)
