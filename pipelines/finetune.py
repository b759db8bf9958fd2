"""Fine-tune the base model with LoRA; killed and started again, it goes on. Run: dvc repro finetune."""

from roleshift.training.allocator import restart_with_tuned_allocator

if __name__ == "__main__":
    restart_with_tuned_allocator()  # before the imports below, which take seconds

from roleshift.contracts import EXAMPLES, read_table
from roleshift.files import read_json, write_json
from roleshift.registry.training_run import MlflowTrainingLog
from roleshift.stage import Stage, run_stage
from roleshift.training.base import base_folder, base_id, load_config, load_tokenizer
from roleshift.training.encoding import agreed_tasks, encode_examples
from roleshift.training.finetuning import finetune, sequence_limit


def run(stage: Stage) -> None:
    """Encode the training and validation examples, train, and write adapter, figures and curve."""
    params = stage.params
    raw = stage.root / "data/raw" / params.base.source
    base = base_folder(raw, stage.project.converted)
    tokenizer = load_tokenizer(base)
    tasks = agreed_tasks(params.task_definitions(), read_json(stage.root / "data/tasks.json"))
    limit = sequence_limit(load_config(base), params.train.pack_tokens)
    train, validation = (
        encode_examples(
            read_table(stage.root / f"data/examples/{split}.parquet", EXAMPLES),
            tasks,
            tokenizer,
            limit,
            f"{split}.parquet",
        )
        for split in ("train", "validation")
    )
    log = MlflowTrainingLog(
        stage.project.tracking_uri, stage.project.home, params.registry.experiment, stage.input_hash
    )
    training = finetune(
        base=base,
        base_id=base_id(raw),
        train=train,
        validation=validation,
        pad_id=tokenizer.pad_token_id,
        params=params.train,
        seed=params.seed,
        work=stage.work,
        adapter=stage.out / "models/adapter",
        log=log,
    )
    write_json(stage.out / "metrics/finetune.json", training.summary)
    write_json(stage.out / "plots/finetune/learning_curve.json", training.curve)
    write_json(stage.out / "metrics/timings/finetune.json", training.timings)


if __name__ == "__main__":
    run_stage("finetune", run)
