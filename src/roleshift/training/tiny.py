"""Tiny randomly initialised models of real architectures, for tests and for trying the pipeline."""

from pathlib import Path
from typing import Any, Literal

from roleshift.files import replacing

Architecture = Literal["llama", "qwen2", "gpt2"]

HIDDEN_SIZE = 64
LAYERS = 2
CONTEXT_TOKENS = 2048
START, STOP = "<|im_start|>", "<|im_end|>"
CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Frequent English pairs: enough for a tokenizer whose merges are exercised.
MERGES = [
    ("t", "h"),
    ("th", "e"),
    ("Ġ", "the"),
    ("i", "n"),
    ("e", "r"),
    ("o", "n"),
    ("a", "n"),
    ("Ġ", "a"),
    ("in", "g"),
]


def write_tiny_model(folder: Path, architecture: Architecture, seed: int) -> None:
    """Write a transformers folder: two layers of width 64 and a byte-level tokenizer.

    llama and qwen2 have four heads of 16 that share two key-value heads, and a chat template;
    gpt2 has neither. The same seed gives the same weights; the global random state is left alone.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = _byte_level_tokenizer(with_template=architecture != "gpt2")
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    special["pad_token_id"] = tokenizer.pad_token_id
    grouped = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN_SIZE,
        "intermediate_size": 2 * HIDDEN_SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT_TOKENS,
        "initializer_range": 0.1,
        "tie_word_embeddings": True,
        **special,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any
        if architecture == "llama":
            model = LlamaForCausalLM(LlamaConfig(**grouped))
        elif architecture == "qwen2":
            model = Qwen2ForCausalLM(Qwen2Config(**grouped))
        else:
            model = GPT2LMHeadModel(
                GPT2Config(
                    vocab_size=len(tokenizer),
                    n_embd=HIDDEN_SIZE,
                    n_layer=LAYERS,
                    n_head=4,
                    n_positions=CONTEXT_TOKENS,
                    initializer_range=0.1,
                    **special,
                )
            )
    with replacing(folder) as temporary:
        temporary.mkdir()
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


def _byte_level_tokenizer(*, with_template: bool) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    symbols = sorted(pre_tokenizers.ByteLevel.alphabet()) + [left + right for left, right in MERGES]
    backend = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=MERGES))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(START, special=True), AddedToken(STOP, special=True)])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token=START, eos_token=STOP, pad_token=STOP, model_max_length=CONTEXT_TOKENS
    )
    if with_template:
        tokenizer.chat_template = CHATML_TEMPLATE
    return tokenizer
