"""The fast path is held to the plain one: same loss, same gradients, in every architecture it takes."""

import copy

import pytest
import torch
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from roleshift.training import attention
from roleshift.training.attention import PackedCausalAttention
from roleshift.training.encoding import EncodedExample
from roleshift.training.paths import PACKED_ARCHITECTURES, PackedPath, PlainPath, path_for

SIZES = {"vocab_size": 50, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "initializer_range": 0.2}
GROUPED = {**SIZES, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 12}
CONFIGS = {
    "llama": LlamaConfig(**GROUPED),
    "llama-one-group": LlamaConfig(**{**GROUPED, "num_key_value_heads": 1, "head_dim": 8}),
    "llama-no-groups": LlamaConfig(**{**GROUPED, "num_key_value_heads": 6, "num_hidden_layers": 1}),
    "mistral": MistralConfig(**{**GROUPED, "sliding_window": None}),
    "qwen2": Qwen2Config(**{key: value for key, value in GROUPED.items() if key != "head_dim"}),
    "qwen3": Qwen3Config(**GROUPED),
}


def examples() -> list[EncodedExample]:
    generator = torch.Generator().manual_seed(3)

    def draw(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, 50, (count,), generator=generator).tolist())

    return [EncodedExample(str(i), draw(p), draw(a)) for i, (p, a) in enumerate([(7, 3), (1, 1), (12, 5), (4, 9)])]


def build(config: PreTrainedConfig) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(copy.deepcopy(config), attn_implementation="sdpa")
    packed = AutoModelForCausalLM.from_config(copy.deepcopy(config), attn_implementation="sdpa")
    packed.load_state_dict(plain.state_dict())
    packed.set_attn_implementation(attention.NAME)
    return packed, plain


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("length", [None, 64])
def test_packed_and_plain_path_have_the_same_loss_and_gradients(name, length):
    packed, plain = build(CONFIGS[name])
    data = examples()
    pack = (2, 0, 3, 1)
    fast = PackedPath(data, 0, length).loss_sum(packed, pack)
    slow = PlainPath(data, 0).loss_sum(plain, pack)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-4)
    fast.backward()
    slow.backward()
    for (key, left), right in zip(packed.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-3, atol=1e-4, msg=lambda m, key=key: f"{key}: {m}")


def test_every_packed_architecture_is_tested_here():
    assert {config.model_type for config in CONFIGS.values()} == PACKED_ARCHITECTURES


def test_packed_examples_cannot_see_each_other():
    packed, _ = build(CONFIGS["llama"])
    data = examples()
    path = PackedPath(data, 0, None)
    together = path.loss_sum(packed, (0, 1, 2, 3))
    alone = sum(path.loss_sum(packed, (i,)) for i in range(4))
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    changed = PackedPath([EncodedExample("0", data[0].prompt[::-1], data[0].answer), *data[1:]], 0, None)
    first = path.loss_sum(packed, (0, 3)) - path.loss_sum(packed, (0,))
    second = changed.loss_sum(packed, (0, 3)) - changed.loss_sum(packed, (0,))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-3)


def test_loss_only_where_there_is_a_label_is_the_loss_over_all_logits():
    packed, _ = build(CONFIGS["llama"])
    data = examples()
    sparse = PackedPath(data, 0, None).loss_sum(packed, (0,))
    ids = torch.tensor([data[0].prompt + data[0].answer])
    boundaries = torch.tensor([0, ids.shape[1]], dtype=torch.int32)
    logits = packed(input_ids=ids, cu_seq_lens_q=boundaries, use_cache=False).logits
    labels = ids.clone()
    labels[0, : len(data[0].prompt)] = -100
    dense = functional.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum")
    torch.testing.assert_close(sparse, dense)


def test_attention_agrees_with_sdpa_in_bf16():
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, h, 40, 16, generator=generator).bfloat16() for h in (6, 2, 2))
    boundaries = torch.tensor([0, 15, 40], dtype=torch.int32)
    got = PackedCausalAttention.apply(query, key, value, boundaries, 0.25)
    for start, end in ((0, 15), (15, 40)):
        span = [tensor[:, :, start:end].float() for tensor in (query, key, value)]
        want = functional.scaled_dot_product_attention(*span, is_causal=True, scale=0.25, enable_gqa=True)
        torch.testing.assert_close(got[:, start:end].float(), want.transpose(1, 2), rtol=0.02, atol=0.02)


def test_attention_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(1, h, 7, 4, dtype=torch.float64, generator=generator).requires_grad_() for h in (4, 2, 2)]
    boundaries = torch.tensor([0, 3, 6, 6], dtype=torch.int32)  # the seventh position is padding
    # The softmax is in fp32, hence the wide step and tolerance.
    assert torch.autograd.gradcheck(
        lambda q, k, v: PackedCausalAttention.apply(q, k, v, boundaries, 0.5), tensors, eps=1e-3, atol=5e-3, rtol=5e-3
    )


def test_other_architectures_and_narrow_windows_take_the_plain_path():
    from transformers import GPT2Config

    assert path_for(GPT2Config(), 1024) == "plain"
    assert path_for(LlamaConfig(), 1024) == "packed"
    assert path_for(LlamaConfig(attention_dropout=0.1), 1024) == "plain"
    assert path_for(MistralConfig(sliding_window=512), 1024) == "plain"
    assert path_for(MistralConfig(sliding_window=4096), 1024) == "packed"
    assert path_for(Qwen2Config(use_sliding_window=True, sliding_window=512), 1024) == "plain"
    assert path_for(Qwen2Config(use_sliding_window=False, sliding_window=512), 1024) == "packed"
