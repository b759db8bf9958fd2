"""LoRA matrices on a base model: how they start, learn in fp32, and are written.

The base and the matrices that take part in the forward pass are in the chosen precision; the
optimiser works on fp32 master copies, so that small updates are not rounded away.
"""

import warnings
from pathlib import Path
from typing import Any

import torch

from roleshift.errors import RoleShiftError
from roleshift.files import replacing, write_json
from roleshift.params import TrainParams
from roleshift.training.base import load_model
from roleshift.training.processor import Precision

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def load_with_adapter(folder: Path, params: TrainParams, precision: Precision, seed: int) -> Any:
    """The base model with fresh LoRA matrices (a `PeftModel`), drawn from `seed` whatever ran before."""
    from peft import LoraConfig, get_peft_model

    model = load_model(folder, DTYPES[precision])
    targets = params.target_modules if params.target_modules == "all-linear" else list(params.target_modules)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=targets,
        fan_in_fan_out=model.config.model_type == "gpt2",  # its Conv1D layers store the transpose
    )
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5.23 for a property by its old name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            return get_peft_model(model, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise RoleShiftError(f"train.target_modules: {' '.join(str(error).split())}") from None


class MasterWeights:
    """fp32 copies of a model's trainable parameters, which are what the optimiser changes."""

    def __init__(self, model: Any) -> None:
        self.names, self.shadows = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
        self.masters = [torch.nn.Parameter(p.detach().float().clone()) for p in self.shadows]

    def collect_gradients(self) -> None:
        """Add the model's gradients to the masters' in fp32, and clear them."""
        for master, shadow in zip(self.masters, self.shadows, strict=True):
            gradient = shadow.grad.float()
            master.grad = gradient if master.grad is None else master.grad.add_(gradient)
            shadow.grad = None

    def scale_gradients(self, factor: float) -> None:
        """Multiply the collected gradients."""
        torch._foreach_mul_([master.grad for master in self.masters if master.grad is not None], factor)

    def write_back(self) -> None:
        """Bring the masters' values to the model, in its precision."""
        with torch.no_grad():
            torch._foreach_copy_(list(self.shadows), list[torch.Tensor](self.masters))

    def state(self) -> list[torch.Tensor]:
        """A copy of the values, in the order of `names`."""
        return [master.detach().clone() for master in self.masters]

    def load(self, state: list[torch.Tensor]) -> None:
        """Take over the values of a `state`."""
        with torch.no_grad():
            torch._foreach_copy_(list[torch.Tensor](self.masters), state)
        self.write_back()

    @property
    def count(self) -> int:
        """The number of trainable parameters."""
        return sum(master.numel() for master in self.masters)


def save_adapter(model: Any, names: tuple[str, ...], state: list[torch.Tensor], base_id: str, folder: Path) -> None:
    """Write peft's two files. The same weights give the same bytes: no path, no time, no model card."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    tensors = get_peft_model_state_dict(model, state_dict=dict(zip(names, state, strict=True)))
    config = model.peft_config["default"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = f"sha256-{base_id}"
    config["inference_mode"] = True
    with replacing(folder) as temporary:
        temporary.mkdir(parents=True)
        save_file(
            {name: t.contiguous() for name, t in sorted(tensors.items())}, temporary / "adapter_model.safetensors"
        )
        write_json(temporary / "adapter_config.json", config)
