"""Sentence embeddings: pooled as the folder says, the same alone and in a batch."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from roleshift.errors import RoleShiftError
from roleshift.files import write_json
from roleshift.generation.embedding import SentenceEncoder, metric_options
from roleshift.params import EvaluationParams

TEXTS = ["the cat sat on the mat", "cat", "the dog sat, the cat sat, and the bird sat on the dog", "", "bird dog " * 60]


def vectors(folder: Path, text: str) -> torch.Tensor:
    """The encoder's last states of one text alone, without padding."""
    tokenizer, model = AutoTokenizer.from_pretrained(str(folder)), AutoModel.from_pretrained(str(folder)).eval()
    with torch.inference_mode():
        return model(**tokenizer([text], truncation=True, max_length=64, return_tensors="pt")).last_hidden_state[0]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_texts_are_pooled_and_normalised_whatever_shares_their_batch(
    pooling: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    if pooling == "cls":
        write_json(folder / "1_Pooling/config.json", {"pooling_mode_cls_token": True, "word_embedding_dimension": 32})
    found = SentenceEncoder(folder).embed(TEXTS)
    for text, ours in zip(TEXTS, found, strict=True):
        states = vectors(folder, text)
        expected = states[0] if pooling == "cls" else states.mean(dim=0)
        assert ours == pytest.approx((expected / expected.norm()).numpy(), abs=1e-5)


def test_a_text_that_was_embedded_is_not_encoded_again(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SentenceEncoder(tiny_encoder)
    first = encoder.embed(TEXTS)
    monkeypatch.setattr(encoder, "_encode", None)
    assert np.array_equal(encoder.embed(TEXTS[::-1]), first[::-1])


def test_the_name_changes_with_the_weights(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / tiny_encoder.name
    shutil.copytree(tiny_encoder, folder)
    assert SentenceEncoder(folder).name == SentenceEncoder(tiny_encoder).name
    (folder / "note.txt").write_text("another folder")
    assert SentenceEncoder(folder).name != SentenceEncoder(tiny_encoder).name


def test_what_cannot_embed_is_named(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(RoleShiftError, match="not an encoder that transformers can load"):
        SentenceEncoder(tmp_path)
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    write_json(folder / "1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(RoleShiftError, match="pools by pooling_mode_max_tokens"):
        SentenceEncoder(folder)


def test_params_name_the_source_that_embeds(tiny_encoder: Path) -> None:
    plain = {"shots": 0, "resamples": 100, "confidence": 0.95, "robustness_items": 0, "perturbation_rate": 0.1}
    assert metric_options(EvaluationParams.model_validate(plain), tiny_encoder.parent).embedder is None
    asked = {**plain, "semantic": {"source": tiny_encoder.name, "languages": ["en"]}}
    options = metric_options(EvaluationParams.model_validate(asked), tiny_encoder.parent)
    assert options.embeds("en")
    assert not options.embeds("zh")
