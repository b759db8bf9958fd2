"""A registered version loads and answers in a fresh process, outside the checkout, and with the registered code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow.pyfunc
import pytest
from mlflow import MlflowClient
from mlflow.models import Model
from served_models import add_version, register_tiny
from server_checks import offline

from roleshift.registry.packaging import requirements
from roleshift.registry.tracking import Tracking, open_tracking

LOAD = """
import json, sys
import mlflow, pandas as pd
sys.path = [entry for entry in sys.path if "roleshift" not in entry]
model = mlflow.pyfunc.load_model("models:/roleshift@challenger")
import roleshift
params = {"max_new_tokens": 4}
answers = {
    "string": model.predict("hello", params=params),
    "strings": model.predict(["hello", "a b"], params=params),
    "messages": model.predict([{"role": "user", "content": "hello"}], params=params),
    "frame": model.predict(pd.DataFrame({"prompt": ["hello", "a b"]}), params=params),
    "longer": model.predict("hello", params={"max_new_tokens": 9, "stop": ["\\x00"]}),
    "sampled": model.predict("hello", params={"max_new_tokens": 4, "temperature": 5.0, "seed": 3}),
}
print(json.dumps({"answers": answers, "code": roleshift.__file__}))
"""


def load_elsewhere(folder: Path, uri: str, script: str = LOAD) -> "subprocess.CompletedProcess[str]":
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "MLFLOW_TRACKING_URI": uri
    }
    return subprocess.run(
        [sys.executable, "-c", script], cwd=elsewhere, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Tracking:
    folder = tmp_path_factory.mktemp("registered")
    model = folder / "tiny"
    shutil.copytree(tiny_llama, model)
    return register_tiny(folder, model)


def test_strings_messages_and_frames_are_answered_with_parameters(registered, tmp_path):
    result = load_elsewhere(tmp_path, registered.uri)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    answers = found["answers"]
    assert answers["string"] == answers["messages"] == answers["strings"][:1] == answers["frame"][:1]
    assert answers["strings"] == answers["frame"]
    assert answers["longer"][0].startswith(answers["string"][0])
    assert len(answers["longer"][0]) > len(answers["string"][0])
    assert answers["sampled"] != answers["string"]
    assert "mlartifacts" in found["code"]


def test_the_registered_model_says_what_it_takes_and_shows_it(registered):
    """By MLflow's own reading of the stored MLmodel. The input is left open: strings, messages and frames are taken."""
    source = MlflowClient(registered.uri).get_model_version_by_alias("roleshift", "challenger").source
    location = source.removeprefix("file://")
    model = Model.load(location)
    told = {spec.name: spec.dtype.name for spec in model.signature.params}
    assert told["max_new_tokens"] in ("integer", "long")
    assert told["temperature"] in ("double", "float")
    assert [column.type.name for column in model.signature.outputs] == ["string"]
    example = model.load_input_example(location)
    answers = mlflow.pyfunc.load_model(location).predict(example, params={"max_new_tokens": 2})
    assert len(answers) == len(example) == 1
    assert isinstance(answers[0], str)
    needed = (Path(location) / "requirements.txt").read_text(encoding="utf-8").split()
    assert needed
    assert all("==" in line for line in needed)
    flavor = model.flavors["python_function"]
    assert all(not Path(entry["path"]).is_absolute() for entry in flavor["artifacts"].values())


NO_PICKLE = """
import os, pickle
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
def refuse(*_, **__):
    raise RuntimeError("a pickle was loaded")
class Refused(pickle.Unpickler):
    __init__ = load = refuse
pickle.load, pickle.loads, pickle.Unpickler = refuse, refuse, Refused
"""


def test_versions_load_and_answer_where_every_pickle_is_refused(registered, two_graphs, tmp_path):
    for name, uri in (("torch", registered.uri), ("onnx", register_tiny(tmp_path, two_graphs).uri)):
        (tmp_path / name).mkdir()
        result = load_elsewhere(tmp_path / name, uri, NO_PICKLE + LOAD)
        assert result.returncode == 0, result.stderr
    (tmp_path / "guard").mkdir()
    result = load_elsewhere(tmp_path / "guard", registered.uri, NO_PICKLE + "pickle.loads(pickle.dumps(1))")
    assert "a pickle was loaded" in result.stderr


def test_a_variant_of_two_graphs_loads_and_answers(two_graphs, tmp_path):
    result = load_elsewhere(tmp_path, register_tiny(tmp_path, two_graphs).uri)
    assert result.returncode == 0, result.stderr
    answers = json.loads(result.stdout.splitlines()[-1])["answers"]
    assert answers["string"] == answers["messages"] == answers["strings"][:1] == answers["frame"][:1]
    assert answers["sampled"] != answers["string"]


def test_a_version_holds_the_code_that_it_runs_and_no_more(registered):
    code = next(Path(registered.uri.removeprefix("sqlite:///")).parent.rglob("code/roleshift"))
    held = {path.relative_to(code).as_posix() for path in code.rglob("*.py")}
    needed = {"serving/pyfunc.py", "generation/onnx_backend.py", "generation/torch_backend.py", "training/base.py"}
    assert needed <= held
    assert not [path for path in held if path.startswith(("registry/", "impact/", "evaluation/", "data/"))]


def test_code_altered_by_one_byte_is_refused_by_name(registered, tmp_path):
    code = next(Path(registered.uri.removeprefix("sqlite:///")).parent.rglob("generation/torch_backend.py"))
    before = code.read_bytes()
    code.write_bytes(before + b" ")
    result = load_elsewhere(tmp_path, registered.uri)
    code.write_bytes(before)
    assert result.returncode != 0
    assert "torch_backend.py: differs from the registered code" in result.stderr


def test_an_artifact_altered_by_one_byte_is_refused_by_name(registered, tmp_path):
    weights = next(Path(registered.uri.removeprefix("sqlite:///")).parent.rglob("artifacts/tiny/model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    result = load_elsewhere(tmp_path, registered.uri)
    assert result.returncode != 0
    assert "model.safetensors: differs from the registered content" in result.stderr


def test_a_version_that_onnx_runtime_serves_answers_where_there_is_no_torch(tmp_path, first_model):
    tracking = open_tracking(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "roleshift")
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    absent = "import sys\nfor name in ('torch', 'peft', 'onnxruntime_genai'):\n    sys.modules[name] = None\n"
    result = load_elsewhere(tmp_path, tracking.uri, absent + LOAD)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["answers"]["string"] == offline(first_model, ["hello"], 4)


def test_torch_is_no_requirement_where_onnx_runtime_serves():
    served_by_onnx = " ".join(requirements("onnx-int8"))
    assert "torch" not in served_by_onnx
    assert "onnxruntime" in served_by_onnx
    assert "torch==" in " ".join(requirements("torch-bf16"))
    assert all("==" in requirement and "+" not in requirement for requirement in requirements("torch-bf16"))
