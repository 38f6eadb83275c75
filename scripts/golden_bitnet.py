"""Writes what transformers makes of random BitNets: tests/zoo/checkpoints/golden/bitnet_*/.

    pip install transformers==5.23.0 && python scripts/golden_bitnet.py

One network of two layers, in the three forms that checkpoints have: `online` with latent bfloat16
weights; `offline` with packed codes and a scale that multiplies (AutoBitLinear, BitNet b1.58 2B4T's
own form); `bitlinear` with packed codes and a scale that divides. Beside each: words, and logits.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import BitNetConfig, BitNetForCausalLM
from transformers.integrations.bitnet import AutoBitLinear, BitLinear, pack_weights

OUT = Path(__file__).parents[1] / "tests" / "zoo" / "checkpoints" / "golden"
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "vocab_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 16,
}
FORMS = {
    "online": {"linear_class": "autobitlinear", "quantization_mode": "online"},
    "offline": {"linear_class": "autobitlinear", "quantization_mode": "offline"},
    "bitlinear": {"linear_class": "bitlinear", "quantization_mode": "offline"},
}


def projection(form: str, weight: torch.Tensor) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """transformers' layer with this weight, and the tensors of its checkpoint."""
    outs, ins = weight.shape
    mean = weight.float().abs().mean()
    codes = (weight.float() / mean).round().clamp(-1, 1)
    if form == "online":
        layer = AutoBitLinear(ins, outs, bias=False, online_quant=True)
        layer.weight.data = weight.float()
        return layer, {"weight": weight}
    packed = pack_weights(codes.clone())
    if form == "offline":
        layer = AutoBitLinear(ins, outs, bias=False, online_quant=False)
        layer.weight.data, layer.weight_scale.data = codes, mean.reshape(1)
        return layer, {"weight": packed, "weight_scale": mean.reshape(1)}
    layer = BitLinear(ins, outs, bias=False, dtype=torch.float32)
    layer.weight.data, layer.weight_scale.data = packed, 1 / mean.reshape(1)
    return layer, {"weight": packed, "weight_scale": 1 / mean.reshape(1)}


def build(form: str) -> None:
    torch.manual_seed(0)
    config = BitNetConfig(**SHAPE, tie_word_embeddings=True, attn_implementation="eager")
    model = BitNetForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter).bfloat16().float()
    state = {name: p.data.bfloat16() for name, p in model.named_parameters()}
    for name in [n for n, m in model.named_modules() if n.endswith("_proj")]:
        layer, tensors = projection(form, state.pop(f"{name}.weight"))
        model.set_submodule(name, layer)
        state |= {f"{name}.{key}": value.contiguous() for key, value in tensors.items()}
    words = torch.randint(0, SHAPE["vocab_size"], (2, 7))
    with torch.no_grad():
        logits = model(words).logits
    folder = OUT / f"bitnet_{form}"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors")
    said = {"model_type": "bitnet", "quantization_config": FORMS[form], **SHAPE}
    said |= {
        "rope_theta": config.rope_parameters["rope_theta"],
        "rms_norm_eps": config.rms_norm_eps,
    }
    (folder / "config.json").write_text(json.dumps(said, indent=1) + "\n")
    np.savez_compressed(folder / "logits.npz", words=words.numpy(), logits=logits.numpy())
    print(form, said["rope_theta"], logits.abs().max().item())


if __name__ == "__main__":
    for form in FORMS:
        build(form)
