import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tiny_examples import make_examples

from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree
from roleshift.training import compilation, loop
from roleshift.training.base import load_model
from roleshift.training.encoding import EncodedExamples
from roleshift.training.finetuning import finetune
from roleshift.training.loop import evaluation_steps, learning_rate, validation_loss
from roleshift.training.paths import PlainPath
from roleshift.training.processor import has_compiler


def train(base: Path, folder: Path, params, seed: int = 0, **changes):
    examples = make_examples(base, 24)
    arguments = {
        "train": EncodedExamples(examples[:18], 0),
        "validation": EncodedExamples(examples[18:], 0),
        "base_id": "0" * 16,
        "pad_id": 0,
    }
    return finetune(
        base=base,
        params=params,
        seed=seed,
        work=folder / "work",
        adapter=folder / "adapter",
        **{**arguments, **changes},
    )


def curve(training, split: str) -> list[float]:
    return [point["loss"] for point in training.curve if point["split"] == split]


@pytest.mark.parametrize(
    ("model", "path"), [("tiny_llama", "packed"), ("tiny_qwen2", "packed"), ("tiny_gpt2", "plain")]
)
def test_each_architecture_learns_and_its_adapter_loads_on_the_base(model, path, tiny_train, tmp_path, request):
    base = request.getfixturevalue(model)
    training = train(base, tmp_path, tiny_train(epochs=6))
    assert training.summary["path"] == path
    assert curve(training, "validation")[-1] < curve(training, "train")[0] - 0.5
    # The adapter on disk, on a fresh base, through the model's own forward, has the loss that was recorded.
    loaded = PeftModel.from_pretrained(load_model(base, torch.float32), tmp_path / "adapter")
    examples = make_examples(base, 24)[18:]
    loss = validation_loss(loaded, PlainPath(examples, 0), [tuple(range(6))])
    assert loss == pytest.approx(training.summary["best_validation_loss"], abs=1e-4)


def test_adapter_holds_no_path_and_no_time(tiny_llama, tiny_train, tmp_path):
    train(tiny_llama, tmp_path, tiny_train(max_steps=1))
    files = sorted(path.name for path in (tmp_path / "adapter").iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors"]
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "sha256-" + "0" * 16
    assert "/" not in json.dumps(config)
    assert config["target_modules"] == sorted(config["target_modules"])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tiny_llama, tiny_train, tmp_path):
    params = tiny_train(max_steps=3, dropout=0.1, precision="bf16")
    torch.manual_seed(99)  # what ran before does not matter
    train(tiny_llama, tmp_path / "a", params)
    torch.manual_seed(1)
    train(tiny_llama, tmp_path / "b", params)
    train(tiny_llama, tmp_path / "c", params, seed=1)
    first, second, other = (hash_tree(tmp_path / name / "adapter") for name in "abc")
    assert first == second != other


def test_packs_per_step_accumulate_to_the_gradient_of_one_large_pack(tiny_llama, tiny_train, tmp_path):
    one = train(tiny_llama, tmp_path / "a", tiny_train(pack_tokens=2048, packs_per_step=1))
    many = train(tiny_llama, tmp_path / "b", tiny_train(pack_tokens=64, packs_per_step=100))
    assert one.summary["steps"] == many.summary["steps"] == 1
    assert curve(one, "train") == pytest.approx(curve(many, "train"), abs=1e-5)
    assert curve(one, "validation") == pytest.approx(curve(many, "validation"), abs=1e-4)


def test_bf16_with_fp32_masters_follows_fp32(tiny_llama, tiny_train, tmp_path):
    exact = train(tiny_llama, tmp_path / "a", tiny_train(epochs=2, learning_rate=0.003))
    fast = train(tiny_llama, tmp_path / "b", tiny_train(epochs=2, learning_rate=0.003, precision="bf16"))
    assert len(curve(exact, "train")) > 5
    assert curve(fast, "train") == pytest.approx(curve(exact, "train"), abs=0.05)
    assert fast.summary["best_validation_loss"] == pytest.approx(exact.summary["best_validation_loss"], abs=0.03)


def test_master_weights_keep_updates_that_bf16_would_round_away(tiny_llama, tiny_train, tmp_path):
    train(tiny_llama, tmp_path / "a", tiny_train(max_steps=1, learning_rate=1e-7, precision="bf16"))
    train(tiny_llama, tmp_path / "b", tiny_train(max_steps=1, learning_rate=2e-7, precision="bf16"))
    assert hash_tree(tmp_path / "a" / "adapter") != hash_tree(tmp_path / "b" / "adapter")


@pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")
@pytest.mark.skipif(" " in torch.__file__, reason="torch's compiler cannot link in a path with a space")
def test_compiled_layers_have_the_loss_of_uncompiled_ones(tiny_llama, tiny_train, tmp_path):
    plain = train(tiny_llama, tmp_path / "a", tiny_train(max_steps=3))
    compiled = train(tiny_llama, tmp_path / "b", tiny_train(max_steps=3, compile="on"))
    assert compiled.summary["compiled"]
    assert not plain.summary["compiled"]
    assert curve(compiled, "train") == pytest.approx(curve(plain, "train"), abs=1e-4)
    assert curve(compiled, "validation") == pytest.approx(curve(plain, "validation"), abs=1e-4)


def test_a_compiler_that_fails_is_done_without(tiny_llama, tiny_train, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("CppCompileError: Python.h: no such file")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    monkeypatch.setattr(compilation, "WORTHWHILE", 0)
    monkeypatch.setattr(compilation, "has_compiler", lambda: True)
    plain = train(tiny_llama, tmp_path / "a", tiny_train(max_steps=2, dropout=0.1))
    with pytest.warns(UserWarning, match=r"uncompiled.*Python\.h"):
        fallen_back = train(tiny_llama, tmp_path / "b", tiny_train(max_steps=2, dropout=0.1, compile="auto"))
    assert fallen_back.curve == plain.curve
    with pytest.raises(RoleShiftError, match=r"train\.compile: the compiler failed"):
        train(tiny_llama, tmp_path / "c", tiny_train(max_steps=2, compile="on"))


def test_compile_on_says_so_where_the_path_cannot(tiny_gpt2, tiny_train, tmp_path):
    with pytest.raises(RoleShiftError, match=r"train\.compile: gpt2"):
        train(tiny_gpt2, tmp_path, tiny_train(compile="on"))


def test_non_finite_loss_names_step_and_examples(tiny_llama, tiny_train, tmp_path):
    with pytest.raises(RoleShiftError, match=r"not finite at step 2, examples example-\d+.*learning_rate"):
        train(tiny_llama, tmp_path, tiny_train(learning_rate=1e30, warmup_share=0.0, evaluations_per_epoch=1))
    assert not (tmp_path / "adapter").exists()


def test_early_stopping_keeps_the_best_adapter(tiny_llama, tiny_train, tmp_path, monkeypatch):
    def scripted(folder: Path, patience: int):
        losses = iter([3.0, 2.0, 2.5, 2.0, 2.1, 2.2, *[2.3] * 40])
        monkeypatch.setattr(loop, "validation_loss", lambda *_: next(losses))
        params = tiny_train(epochs=4, evaluations_per_epoch=4, early_stopping_patience=patience)
        return train(tiny_llama, folder, params).summary

    stopped = scripted(tmp_path / "stopped", patience=3)
    whole = scripted(tmp_path / "whole", patience=100)
    assert stopped["stopped_early"]
    assert not whole["stopped_early"]
    assert stopped["best_step"] == whole["best_step"] < stopped["steps"] < whole["steps"] == whole["planned_steps"]
    assert stopped["best_validation_loss"] == 2.0
    assert stopped["adapter_id"] == whole["adapter_id"]


def test_unknown_target_modules_are_named(tiny_llama, tiny_train, tmp_path):
    with pytest.raises(RoleShiftError, match=r"train\.target_modules: .*nonsense"):
        train(tiny_llama, tmp_path, tiny_train(target_modules=("nonsense",)))


def test_learning_rate_rises_linearly_then_follows_a_cosine():
    rates = [learning_rate(step, 110, 2.0, 10 / 110) for step in range(110)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(1.0)
    assert 0 < rates[109] < 0.01
    assert learning_rate(0, 1, 2.0, 0.0) == 2.0


@pytest.mark.parametrize(
    ("total", "per_epoch", "times", "due"),
    [(10, 10, 2, {5, 10}), (20, 10, 2, {5, 10, 15, 20}), (7, 7, 3, {3, 5, 7}), (3, 10, 2, {3}), (1, 1, 4, {1})],
)
def test_validation_is_due_evenly_and_at_the_end(total, per_epoch, times, due):
    assert evaluation_steps(total, per_epoch, times) == due


def test_params_alone_do_not_import_torch():
    code = "import sys, roleshift.params; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
