"""llama.cpp on the tuned weights."""

from collections.abc import Callable, Sequence
from pathlib import Path

from inference_sides.answers import finished
from roleshift.generation import Answer, GenerationConfig, Request
from roleshift.generation.processor import physical_cores
from roleshift.training.base import load_tokenizer


class LlamaSide:
    """llama.cpp, one prompt after the other; it keeps what the last prompt has in common with the next."""

    variant, artifact_id, provider = "llama.cpp", "llama.cpp", "cpu"

    def __init__(self, file: Path, tokenizer_folder: Path) -> None:
        from llama_cpp import Llama

        self.tokenizer = load_tokenizer(tokenizer_folder)
        self.model = Llama(str(file), n_ctx=2048, n_threads=physical_cores(), verbose=False)

    def generate(
        self, requests: Sequence[Request], config: GenerationConfig, on_answer: Callable[[Answer], None] | None = None
    ) -> list[Answer]:
        """Answers in the requests' order; requests of one task follow one another."""
        answers: dict[str, Answer] = {}
        stop = {self.tokenizer.eos_token_id}
        for request in sorted(requests, key=lambda r: r.prompt):
            ids = self.tokenizer(request.prompt, add_special_tokens=False)["input_ids"]
            taken: list[int] = []
            for token in self.model.generate(ids, temp=0.0, repeat_penalty=1.0):
                taken.append(token)
                if token in stop or len(taken) >= config.max_new_tokens:
                    break
            answers[request.request_id] = finished(self.tokenizer, request, ids, taken, stop)
            if on_answer is not None:
                on_answer(answers[request.request_id])
        return [answers[request.request_id] for request in requests]

    def close(self) -> None:
        """Drop the model."""
        del self.model


def write_gguf(base: Path, merged: Path, out: Path) -> None:
    """The merged weights as GGUF, matrices as Q8_0; architecture and tokenizer as the base's file has them."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants
    from safetensors.numpy import load_file

    reader = GGUFReader(str(base))
    writer = GGUFWriter(str(out), "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        sub = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=sub)
    heads, groups = (int(reader.fields[f"llama.attention.head_count{kind}"].contents()) for kind in ("", "_kv"))
    parts = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
             "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_output": "self_attn.o_proj",
             "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj"}  # fmt: skip
    outer = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    weights = load_file(str(merged / "model.safetensors"))
    for tensor in reader.tensors:
        part = tensor.name.removesuffix(".weight").split(".")
        name = outer.get(part[0]) or f"model.layers.{part[1]}.{parts[part[2]]}"
        values = weights[f"{name}.weight"].astype(np.float32)
        if part[-1] in ("attn_q", "attn_k"):
            # llama.cpp rotates neighbouring channels, transformers the two halves of a head.
            count = heads if part[-1] == "attn_q" else groups
            halves = values.reshape(count, 2, values.shape[0] // count // 2, values.shape[1])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
        else:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
