"""Fixtures that several test folders share: tiny models, written once per session."""

from pathlib import Path

import pytest

from roleshift.training.tiny import write_tiny_model


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that skips itself fails, as in .ci/run")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if call.excinfo and call.excinfo.errisinstance(pytest.skip.Exception) and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {call.excinfo.value}"
    return report


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder: Llama, two layers, chat template."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    write_tiny_model(folder, "llama", seed=0)
    return folder


@pytest.fixture(scope="session")
def tiny_qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder: Qwen2, two layers, chat template."""
    folder = tmp_path_factory.mktemp("models") / "qwen2"
    write_tiny_model(folder, "qwen2", seed=0)
    return folder


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder: GPT-2, two layers, no chat template."""
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    write_tiny_model(folder, "gpt2", seed=0)
    return folder
