import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from roleshift.errors import RoleShiftError
from roleshift.files import sha256_file
from roleshift.training.allocator import MARKER, tuned_environment
from roleshift.training.base import base_folder, base_id, load_model, load_tokenizer
from roleshift.training.tiny import write_tiny_model


def write_gguf(path: Path, model: LlamaForCausalLM, tokens: list[str]) -> None:
    """The model in GGUF's own layout (query and key rows interleaved for its rotary positions)."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_merges(["t h", "th e"])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "post_attention_layernorm": "ffn_norm",
        "input_layernorm": "attn_norm",
        "model.layers.": "blk.",
    }
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        values = tensor
        for projection, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if projection in name:
                values = tensor.view(heads, 2, -1, tensor.shape[1]).swapaxes(1, 2).reshape(tensor.shape)
        target = name
        for ours, theirs in names.items():
            target = target.replace(ours, theirs)
        writer.add_tensor(target, values.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def gguf_base(tmp_path_factory) -> tuple[Path, LlamaForCausalLM]:
    from tokenizers import pre_tokenizers

    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "th", "the", "<|stop|>"]
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.1,
            tie_word_embeddings=True,
        )
    )
    folder = tmp_path_factory.mktemp("raw")
    write_gguf(folder / "tiny.gguf", model, tokens)
    return folder, model


def test_a_gguf_file_is_converted_once_and_computes_the_same(gguf_base, tmp_path):
    raw, original = gguf_base
    folder = base_folder(raw, tmp_path)
    assert folder == tmp_path / sha256_file(raw / "tiny.gguf")
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert base_folder(raw, tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    tokenizer = load_tokenizer(folder)
    assert tokenizer.eos_token == "<|stop|>"
    assert tokenizer.pad_token_id is not None
    ids = torch.tensor([tokenizer("the other", add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(load_model(folder, torch.float32)(ids).logits, original.eval()(ids).logits)


def test_a_damaged_gguf_file_is_named_and_leaves_nothing(gguf_base, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "cut.gguf").write_bytes((gguf_base[0] / "tiny.gguf").read_bytes()[:3000])
    with pytest.raises(RoleShiftError, match=r"cut\.gguf: transformers cannot read"):
        base_folder(raw, tmp_path / "converted")
    assert [path.suffix for path in (tmp_path / "converted").iterdir()] == [".lock"]


def test_a_transformers_folder_is_used_as_it_is(tiny_llama, tmp_path):
    assert base_folder(tiny_llama, tmp_path) == tiny_llama


def test_what_is_no_base_model_is_named(tmp_path):
    with pytest.raises(RoleShiftError, match="dvc repro fetch"):
        base_folder(tmp_path / "absent", tmp_path)
    with pytest.raises(RoleShiftError, match=r"neither a config\.json nor a GGUF file"):
        base_folder(tmp_path, tmp_path)
    (tmp_path / "a.gguf").touch()
    (tmp_path / "b.gguf").touch()
    with pytest.raises(RoleShiftError, match="2 GGUF files"):
        base_folder(tmp_path, tmp_path)
    with pytest.raises(RoleShiftError, match="no tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(RoleShiftError, match="no causal language model"):
        load_model(tmp_path, torch.float32)


def test_base_id_follows_the_content(tiny_llama, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny_llama, copy)
    assert base_id(copy) == base_id(tiny_llama)
    (copy / "config.json").write_text("{}")
    assert base_id(copy) != base_id(tiny_llama)
    assert len(base_id(copy)) == 16


def test_tiny_models_follow_their_seed(tmp_path, tiny_llama):
    write_tiny_model(tmp_path / "same", "llama", 0)
    write_tiny_model(tmp_path / "other", "llama", 1)
    assert base_id(tmp_path / "same") == base_id(tiny_llama) != base_id(tmp_path / "other")


def test_allocator_settings_leave_what_a_user_set():
    tuned = tuned_environment({"MALLOC_TOP_PAD_": "1", "GLIBC_TUNABLES": "glibc.malloc.arena_max=1"})
    assert tuned["MALLOC_TOP_PAD_"] == "1"
    assert tuned["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"
    assert tuned_environment({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"})["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=0"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_the_process_starts_itself_again_once(tmp_path, monkeypatch):
    monkeypatch.delenv(MARKER, raising=False)
    script = tmp_path / "a script.py"
    script.write_text(
        "import os, sys\n"
        "from roleshift.training.allocator import restart_with_tuned_allocator\n"
        "print('start', flush=True)\n"
        "restart_with_tuned_allocator()\n"
        "print(os.environ['ROLESHIFT_ALLOCATOR'], sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, str(script), "an argument"], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["start", "start", "tuned an argument", ""]
