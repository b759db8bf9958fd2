"""Sentence embeddings by a local encoder, for the metric `semantic`: evaluation itself imports no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roleshift.errors import RoleShiftError
from roleshift.evaluation.metrics.options import MetricOptions
from roleshift.files import hash_tree, read_json
from roleshift.params import EvaluationParams

BATCH = 32
POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


def metric_options(params: EvaluationParams, raw: Path) -> MetricOptions:
    """What params say about metrics; the embedding model is a source below `raw`."""
    if params.semantic is None:
        return MetricOptions(params.rouge)
    return MetricOptions(params.rouge, SentenceEncoder(raw / params.semantic.source), params.semantic.languages)


class SentenceEncoder:
    """An encoder of transformers in a folder, pooled and normalised as sentence-transformers does.

    Reads `1_Pooling/config.json` and `sentence_bert_config.json` where the folder has them: mean or
    first-token pooling (mean without the file), and the most tokens of a text.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise RoleShiftError(f"{folder}: not an encoder that transformers can load ({reason})") from None
        self._pooling = _pooling(folder)
        self._most_tokens = _most_tokens(folder, self._model.config.max_position_embeddings)
        self._name = f"{folder.name}@{hash_tree(folder)[:12]}"
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def name(self) -> str:
        """The folder's name and the beginning of its content hash."""
        return self._name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector of length 1 for each text, shape (texts, dimensions); a text seen before costs nothing."""
        new = sorted({text for text in texts if text not in self._known}, key=lambda text: (len(text), text))
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            self._known.update(zip(batch, self._encode(batch), strict=True))
        return np.stack([self._known[text] for text in texts])

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._most_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state
        if self._pooling == "cls":
            pooled = hidden[:, 0]
        else:
            mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return np.asarray(torch.nn.functional.normalize(pooled, dim=1).numpy(), dtype=np.float32)


def _pooling(folder: Path) -> str:
    path = folder / "1_Pooling/config.json"
    if not path.is_file():
        return "mean"
    modes = [name for name, on in read_json(path).items() if name.startswith("pooling_mode_") and on is True]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise RoleShiftError(f"{path}: pools by {', '.join(modes) or 'nothing'}; supported are {', '.join(POOLINGS)}")
    return POOLINGS[modes[0]]


def _most_tokens(folder: Path, positions: int) -> int:
    path = folder / "sentence_bert_config.json"
    wanted = read_json(path).get("max_seq_length") if path.is_file() else None
    return min(int(wanted or positions), positions)
