"""What PyTorch does on this machine with the same work as `ollm bench`: same folder of weights, same token ids, same modules,
same optimizer, f32, --threads threads. Prints a line per part and one JSON object as the last line.

    python3 bench/peers/torch_cpu.py --model DIR --tokens 256 [--parts prefill,decode,train,cached] [--repeats 3]

The model and the OLLM modules are those of tests/reference, which the tests' expected values come from; the backbone runs
without gradients. `train` takes one row of N tokens, half of them targets; `cached` the same row with its hidden states at hand.
"""
import argparse
import json
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reference"))
import ollm  # noqa: E402
import qwen  # noqa: E402
import safetensors_io  # noqa: E402

GOLDEN, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def mix(x):
    x = (x + GOLDEN) & MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def token_ids(count, vocabulary):
    """The ids that `ollm bench` uses: counter-based, so both sides read the same rows of the embedding."""
    return torch.tensor([mix(7 ^ mix(i * GOLDEN & MASK)) * vocabulary >> 64 for i in range(count)])


def load(folder):
    config = json.loads((folder / "config.json").read_text())
    params = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in safetensors_io.load(file).items():
            params[name] = tensor.float()
    return config, params


def rates(repeats, tokens, work, seconds):
    """tokens/s of each repetition, after one to warm up; none begins after that many seconds, but for the first."""
    begin = time.perf_counter()
    work()
    found = []
    while len(found) < repeats and (not found or time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        work()
        found.append(tokens / (time.perf_counter() - start))
    return sorted(found)


def decoder_step(params, config, cache, token, cos, sin):
    """One token with keys and values of those before it; cache: per layer (k, v) [heads, T, Dh], grown by one."""
    heads, groups, size, eps = config["num_attention_heads"], config["num_key_value_heads"], qwen.head_size(config), config["rms_norm_eps"]
    x = params["model.embed_tokens.weight"][token]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        h = qwen.rms_norm(x, params[f"{prefix}.input_layernorm.weight"], eps)

        def project(name, count):
            at = f"{prefix}.self_attn.{name}"
            return F.linear(h, params[at + "_proj.weight"], params.get(at + "_proj.bias")).view(count, 1, size)

        q, k, v = project("q", heads), project("k", groups), project("v", groups)
        if f"{prefix}.self_attn.q_norm.weight" in params:
            q = qwen.rms_norm(q, params[f"{prefix}.self_attn.q_norm.weight"], eps)
            k = qwen.rms_norm(k, params[f"{prefix}.self_attn.k_norm.weight"], eps)
        q, k = qwen.rotate(q, cos, sin), qwen.rotate(k, cos, sin)
        if cache[layer] is not None:
            k, v = torch.cat([cache[layer][0], k], 1), torch.cat([cache[layer][1], v], 1)
        cache[layer] = (k, v)
        scores = q.view(groups, heads // groups, size) @ k.transpose(1, 2) / size ** 0.5
        mixed = (scores.softmax(-1) @ v).reshape(heads * size)
        x = x + F.linear(mixed, params[f"{prefix}.self_attn.o_proj.weight"])
        x = x + qwen.swiglu(params, f"{prefix}.mlp", qwen.rms_norm(x, params[f"{prefix}.post_attention_layernorm.weight"], eps))
    return qwen.rms_norm(x, params["model.norm.weight"], eps)


def decode(params, config, tokens):
    """Greedy decoding from one token."""
    cos, sin = qwen.rope_tables(config, tokens + 1, torch.float32)
    cache, token, head = [None] * config["num_hidden_layers"], token_ids(1, config["vocab_size"])[0], qwen.head_weight(params)
    for t in range(tokens):
        token = F.linear(decoder_step(params, config, cache, token, cos[t:t + 1], sin[t:t + 1]), head).argmax()


def trainer(params, config, tokens, options, cached):
    """One optimizer step: Gumbel mode, the three losses of the method, clipping, AdamW."""
    d, eps = config["hidden_size"], config["rms_norm_eps"]
    width = max(64, round(7 * d / 3 / 64) * 64)
    generator = torch.Generator().manual_seed(1)
    modules = {}
    for name, shape in ollm.parameter_shapes(d, options, width).items():
        values = torch.ones(shape) if "norm" in name else torch.randn(shape, generator=generator) * 0.02
        modules[name] = values.requires_grad_()
    optimizer = torch.optim.AdamW(modules.values(), lr=1e-3, weight_decay=0)
    ids, prompt = token_ids(tokens, config["vocab_size"]), tokens // 2
    y, head = ids[prompt:], qwen.head_weight(params)

    def hidden():
        with torch.no_grad():
            return qwen.forward(params, config, ids[None])[0][prompt - 1:-1]

    kept = hidden() if cached else None

    def step():
        h = kept if cached else hidden()
        noise = -torch.log(-torch.log(torch.rand(len(y), options, generator=generator).clamp_min(1e-9)))
        ce, kl, policy = ollm.losses(modules, head, h, F.embedding(y, params["model.embed_tokens.weight"]), y, eps, "gumbel", noise)
        optimizer.zero_grad(set_to_none=True)
        (ce + kl + policy).backward()
        torch.nn.utils.clip_grad_norm_(modules.values(), 1)
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=256, help="of prefill and of the training row")
    parser.add_argument("--decode-tokens", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further repetition of a part after that long")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--options", type=int, default=10)
    parser.add_argument("--parts", default="prefill,decode,train,cached")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, params = load(args.model)
    ids, head = token_ids(args.tokens, config["vocab_size"]), qwen.head_weight(params)

    def prefill():
        F.linear(qwen.forward(params, config, ids[None])[0, -1], head)

    result = {"torch": torch.__version__, "threads": args.threads}
    for part in args.parts.split(","):
        if part in ("prefill", "decode"):
            with torch.no_grad():
                found = rates(args.repeats, args.tokens, prefill, args.seconds) if part == "prefill" else \
                    rates(args.repeats, args.decode_tokens, lambda: decode(params, config, args.decode_tokens), args.seconds)
        else:
            found = rates(args.repeats, args.tokens, trainer(params, config, args.tokens, args.options, part == "cached"), args.seconds)
        result[part] = {"tokens_per_second": found[len(found) // 2], "min": found[0], "max": found[-1]}
        print(f"torch {part}: {found[len(found) // 2]:.1f} tokens/s (min {found[0]:.1f}, max {found[-1]:.1f})", flush=True)
    result["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
