"""Makes tests/reference/fixtures: small random models with expected outputs, and OLLM losses, gradients and training runs.

    python3 tests/reference/make_fixtures.py        (PyTorch 1.13; a minute on one core)

Everything is computed in float64 from the stored weights and written as float32, so that what a float32 implementation
differs by is its own rounding. README.md beside this file describes the layout.
"""
import json
from pathlib import Path

import torch

import ollm
import qwen
import safetensors_io

FIXTURES = Path(__file__).parent / "fixtures"
LENGTH, LONG, KEPT = 37, 1100, 4

COMMON = {"hidden_act": "silu", "attention_dropout": 0.0, "initializer_range": 0.02, "max_position_embeddings": 2048,
          "use_cache": True, "use_sliding_window": False, "sliding_window": None, "num_hidden_layers": 2}

# name -> (config, dtype of the file, number of shards). They differ in the spellings of real files, too.
MODELS = {
    "qwen2-tied-bf16": ({
        **COMMON, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 112,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": 298, "eos_token_id": 299}, torch.bfloat16, 1),
    "qwen2-untied-f32": ({
        **COMMON, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 40, "intermediate_size": 72,
        "num_attention_heads": 5, "num_key_value_heads": 1, "vocab_size": 131, "rms_norm_eps": 1e-5, "rope_theta": 1000000,
        "tie_word_embeddings": False, "torch_dtype": "float32", "bos_token_id": 129, "eos_token_id": [130, 129]}, torch.float32, 1),
    "qwen3-untied-f16": ({
        **COMMON, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 48, "intermediate_size": 80,
        "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 203, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000, "attention_bias": False, "tie_word_embeddings": False, "torch_dtype": "float16",
        "bos_token_id": 201, "eos_token_id": 202}, torch.float16, 1),
    "qwen3-tied-bf16-sharded": ({
        **COMMON, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 56, "intermediate_size": 96,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "vocab_size": 160, "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}, "attention_bias": False,
        "tie_word_embeddings": True, "dtype": "bfloat16", "bos_token_id": None, "eos_token_id": [159]}, torch.bfloat16, 3),
}

OPTIONS, WIDTH = 5, 64
ROWS = [(9, 3), (17, 5), (4, 3), (12, 0), (23, 8), (7, 1), (15, 10), (5, 4), (19, 2), (11, 6), (2, 0), (14, 13), (21, 7)]
STEPS, BATCH, RATE, DECAY, CLIP = 50, 4, 2e-3, 0.01, 1.0
KL_TARGET, KL_RATE = 0.2, 0.02


def random_params(shapes, generator, dtype=torch.float32):
    """Norm gains about 1, biases and matrices large enough that nothing is nearly linear or flat."""
    params = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator)
        if "norm" in name:
            value = 1 + 0.2 * value
        elif name.endswith("bias"):
            value = 0.3 * value
        elif "embed" in name:
            value = 0.3 * value
        elif "options" in name:
            value = 0.7 * value
        else:
            value = value * shape[1] ** -0.5 * (0.5 if name == "decoder.out.weight" else 1.3)
        params[name] = value.to(dtype)
    return params


def double(params):
    return {name: p.double() for name, p in params.items()}


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def expected_outputs(params, config, generator, long):
    """tokens, hidden and logits of a sequence of 37, of 1, and, when long, of the last 4 positions of 1100."""
    out = {}
    for prefix, length in [("", LENGTH), ("single.", 1)] + [("long.", LONG)] * long:
        tokens = torch.randint(config["vocab_size"], (length,), generator=generator)
        hidden = qwen.forward(params, config, tokens[None])[0]
        hidden = hidden[-KEPT:] if length == LONG else hidden
        out[prefix + "tokens"] = tokens
        out[prefix + "hidden"] = hidden.float()
        out[prefix + "logits"] = qwen.logits(params, hidden).float()
    return out


def make_models():
    for seed, (name, (config, dtype, shards)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(100 + seed)
        folder = FIXTURES / name
        folder.mkdir(parents=True, exist_ok=True)
        params = random_params(qwen.parameter_shapes(config), generator, dtype)
        write_json(folder / "config.json", config)
        if shards == 1:
            safetensors_io.save(folder / "model.safetensors", params, {"format": "pt"})
        else:
            safetensors_io.save_sharded(folder, params, shards)
        expected = expected_outputs(double(safetensors_io.load_folder(folder)), config, generator, long=name == "qwen2-tied-bf16")
        safetensors_io.save(folder / "expected.safetensors", expected)
        write_json(folder / "expected_tokens.json", {n: t.tolist() for n, t in expected.items() if n.endswith("tokens")})


def trainable(params, dtype):
    return {name: p.to(dtype).clone().requires_grad_() for name, p in params.items()}


def gradients(initial, backbone, config, rows, mode, noise):
    """Unclipped gradients of L = L_ce + L_kl + L_policy (beta 1) on the first batch, with the three losses."""
    params = trainable(initial, torch.float64)
    h, e, y = ollm.targets_of(backbone, config, rows[:BATCH])
    parts = ollm.losses(params, qwen.head_weight(backbone), h, e, y, config["rms_norm_eps"], mode, noise)
    sum(parts).backward()
    out = {name: p.grad.float() for name, p in params.items()}
    out.update({name: part.detach().float().reshape(1) for name, part in zip(("ce", "kl", "policy_ce"), parts)})
    return out


def train(initial, backbone, config, rows, mode, dtype=torch.float64):
    """50 AdamW steps; the metrics of each, and the final parameters."""
    params = trainable(initial, dtype)
    backbone = {name: p.to(dtype) for name, p in backbone.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    log_beta, log = 0.0, []
    for step in range(STEPS):
        batch = [rows[(step * BATCH + i) % len(rows)] for i in range(BATCH)]
        h, e, y = ollm.targets_of(backbone, config, batch)
        ce, kl, policy_ce = ollm.losses(params, qwen.head_weight(backbone), h, e, y, config["rms_norm_eps"], mode)
        beta = float(torch.tensor(log_beta, dtype=torch.float64).exp())
        loss = ce + beta * kl + policy_ce
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(params.values(), CLIP)  # scale = min(1, clip / (norm + 1e-6))
        optimizer.step()
        log_beta = min(4.0, max(-8.0, log_beta + KL_RATE * (kl.item() - KL_TARGET)))
        log.append({"step": step + 1, "loss": loss.item(), "ce": ce.item(), "kl": kl.item(), "beta": beta,
                    "policy_ce": policy_ce.item(), "grad_norm": norm.item(), "targets": len(y)})
    return log, {name: p.detach().float() for name, p in params.items()}


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_ollm():
    """An OLLM on the first model: outputs, single-step gradients and two training runs."""
    generator = torch.Generator().manual_seed(200)
    folder = FIXTURES / "ollm"
    folder.mkdir(parents=True, exist_ok=True)
    config = MODELS["qwen2-tied-bf16"][0]
    backbone = double(safetensors_io.load_folder(FIXTURES / "qwen2-tied-bf16"))
    d, vocabulary, eps = config["hidden_size"], config["vocab_size"], config["rms_norm_eps"]

    initial = random_params(ollm.parameter_shapes(d, OPTIONS, WIDTH), generator)
    safetensors_io.save(folder / "ollm.safetensors", initial)
    write_json(folder / "ollm.json", {
        "format_version": 1, "options": OPTIONS, "latent_width": WIDTH, "latent_mode": "soft",
        "backbone": {"hidden_size": d, "vocab_size": vocabulary, "fingerprint": None}, "trained_tokens": 0})

    tokens = torch.randint(vocabulary, (9,), generator=generator)
    hidden = qwen.forward(backbone, config, tokens[None])[0]
    p = double(initial)
    safetensors_io.save(folder / "expected_forward.safetensors", {
        "tokens": tokens, "hidden": hidden.float(), "policy_logits": ollm.policy(p, hidden, eps).float(),
        "option_logits": ollm.option_logits(p, qwen.head_weight(backbone), hidden, eps).float()})
    write_json(folder / "expected_forward_tokens.json", {"tokens": tokens.tolist()})

    rows = [{"tokens": torch.randint(vocabulary, (length,), generator=generator).tolist(), "prompt_length": prompt}
            for length, prompt in ROWS]
    write_lines(folder / "train.jsonl", rows)

    targets = sum(length - max(prompt, 1) for length, prompt in ROWS[:BATCH])
    uniform = torch.rand((targets, OPTIONS), generator=generator).clamp(1e-6, 1 - 1e-6)
    noise = -torch.log(-torch.log(uniform))
    for mode in ("soft", "marginal", "gumbel"):
        grads = gradients(initial, backbone, config, rows, mode, noise.double() if mode == "gumbel" else None)
        safetensors_io.save(folder / f"gradients_{mode}.safetensors", {"noise": noise, **grads} if mode == "gumbel" else grads)
    for mode in ("soft", "marginal"):
        log, final = train(initial, backbone, config, rows, mode)
        write_lines(folder / f"train_{mode}_metrics.jsonl", log)
        single_log, single = train(initial, backbone, config, rows, mode, torch.float32)
        drift = max(abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(log, single_log))
        moved = max((final[n] - single[n]).abs().max().item() for n in final)
        print(f"{mode}: loss {log[0]['loss']:.4f} -> {log[-1]['loss']:.4f}; a float32 run differs by {drift:.1e} (relative, "
              f"worst step) in loss and {moved:.1e} (absolute) in parameters")
        if mode == "soft":
            safetensors_io.save(folder / "train_soft_final.safetensors", final)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_models()
    make_ollm()
