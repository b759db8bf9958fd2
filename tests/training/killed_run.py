"""Fine-tune a tiny model and die on the way: python killed_run.py BASE WORK ADAPTER WHEN.

WHEN is `never`, `report:N` (SIGKILL as step N is reported, before any checkpoint of it) or
`write:N` (in the middle of the N-th checkpoint that this process writes).
"""

import os
import signal
import sys
from pathlib import Path

from tiny_examples import make_examples

from roleshift.params import load_params
from roleshift.training.encoding import EncodedExamples
from roleshift.training.finetuning import finetune
from roleshift.training.log import NoLog


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class FatalLog(NoLog):
    def __init__(self, step: int) -> None:
        self.step = step

    def log(self, step, values):
        if step == self.step:
            die()


def main() -> None:
    base, work, adapter = (Path(argument) for argument in sys.argv[1:4])
    moment, _, count = sys.argv[4].partition(":")
    if moment == "write":
        remaining = [int(count)]

        def fsync(descriptor: int) -> None:
            remaining[0] -= 1
            if not remaining[0]:
                die()

        os.fsync = fsync
    params = load_params(Path(__file__).parents[2] / "params.yaml").train.model_copy(
        update={
            "rank": 4,
            "dropout": 0.1,
            "learning_rate": 0.01,
            "pack_tokens": 96,
            "checkpoint_every_steps": 2,
            "compile": "off",
        }
    )
    examples = make_examples(base, 24)
    finetune(
        base=base,
        base_id="0" * 16,
        train=EncodedExamples(examples[:18], 0),
        validation=EncodedExamples(examples[18:], 0),
        pad_id=0,
        params=params,
        seed=5,
        work=work,
        adapter=adapter,
        log=FatalLog(int(count) if moment == "report" else -1),
    )


if __name__ == "__main__":
    main()
