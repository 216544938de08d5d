"""PyTorch and transformers beside `ollm` on a GPU: the same shapes, tokens and training work, and the same numbers.

    python3 torch_cuda.py PART --model DIR [--ollm PROGRAM] [--tokens N] [--device cuda]

Parts: prefill, decode, train, gemm (cuBLAS on the model's shapes), parity (logits of small random Qwen2 and Qwen3 models written by
save_pretrained, against `ollm forward`). The last line of stdout is JSON. A part that cannot run ends with an error and code 1; what a
version of PyTorch or transformers may lack is tried by itself, and its error is a field of the result.

What the peers are: bf16 weights under no_grad or inference_mode; attention by scaled_dot_product_attention; `generate` as it comes, and beside it
a decoding step captured into a CUDA graph (torch_graph.py); the OLLM modules with f32 masters and bf16 autocast, fused AdamW, and a head whose
gradient is made with its loss, piece by piece, so that nothing is computed twice and no logits stay. No torch.compile: its minutes of compiling would not
fit the run, and these parts are products of cuBLAS for the most part.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Everything is on the disk: nothing may ask a hub for it.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import torch
import torch.nn.functional as F


def report(args, result):
    """A line of JSON. The last one counts, also where a part is ended in the middle: so what is there is said before more is begun."""
    name = torch.cuda.get_device_name() if args.device == "cuda" else "cpu"
    print(json.dumps({"part": args.part, "torch": torch.__version__, "device": name, "tokens": args.tokens} | result), flush=True)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def timed(work, repeats, device):
    """Median, least and greatest seconds of one call, after one to warm up."""
    work()
    synchronize(device)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    seconds.sort()
    return seconds[len(seconds) // 2], seconds[0], seconds[-1]


def rates(tokens, seconds):
    median, least, most = seconds
    return {"tokens_per_second": tokens / median, "min": tokens / most, "max": tokens / least}


def memory(device):
    """The peak of PyTorch's own allocations, and what the whole process holds of the GPU, the driver's part included."""
    if device != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"peak_memory_bytes": torch.cuda.max_memory_allocated(), "gpu_memory_bytes": total - free}


def forget_memory(device):
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def load(args):
    from transformers import AutoModelForCausalLM

    how = {"local_files_only": True, "attn_implementation": "sdpa"}
    try:
        model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16, **how)
    except TypeError:  # Before transformers 4.56 it had another name.
        model = AutoModelForCausalLM.from_pretrained(args.model, torch_dtype=torch.bfloat16, **how)
    return model.to(args.device).eval().requires_grad_(False)


def random_ids(model, count, device):
    return torch.randint(0, model.config.vocab_size, (1, count), device=device, generator=torch.Generator(device).manual_seed(7))


def prefill(args):
    model = load(args)
    ids = random_ids(model, args.tokens, args.device)

    @torch.inference_mode()
    def work():
        model.lm_head(model.model(input_ids=ids, use_cache=True).last_hidden_state[:, -1])

    return rates(args.tokens, timed(work, args.repeats, args.device)) | memory(args.device)


def decode(args):
    model = load(args)
    ids = random_ids(model, 1, args.device)

    @torch.inference_mode()
    def work():
        model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=args.tokens, max_new_tokens=args.tokens, do_sample=False,
                       pad_token_id=0)

    result = rates(args.tokens, timed(work, args.repeats, args.device)) | memory(args.device)
    if args.device == "cuda":
        report(args, result)
        try:
            result["cuda_graph"] = graph_decode(model, args)
        except Exception as error:  # The figure of `generate` is not to be lost with it.
            result["cuda_graph"] = {"error": f"{type(error).__name__}: {error}"[:300]}
    return result


@torch.inference_mode()
def graph_decode(model, args):
    from torch_graph import GraphDecoder

    decoder = GraphDecoder(model, args.tokens + 8)
    decoder.capture()
    return rates(args.tokens, timed(lambda: decoder.run(args.tokens), args.repeats, args.device))


class HeadLoss(torch.autograd.Function):
    """The sum of cross-entropies of x Wᵀ, and its gradient for x in the same pass: two products, of pieces of the rows."""

    @staticmethod
    def forward(ctx, x, head, targets):
        total, gradient = torch.zeros((), device=x.device), torch.empty_like(x)
        for piece, labels, out in zip(x.split(1024), targets.split(1024), gradient.split(1024)):
            logits = F.linear(piece.to(head.dtype), head).float()
            places = labels[:, None]
            least = torch.logsumexp(logits, -1, keepdim=True)
            total += (least - logits.gather(-1, places)).sum()
            weights = logits.sub_(least).exp_()
            weights.scatter_add_(-1, places, torch.full_like(least, -1.0))
            out.copy_(weights.to(head.dtype) @ head)
            del logits, weights  # Before the next piece's: two of them would be the peak.
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, d_total):
        return ctx.saved_tensors[0] * d_total, None, None


class Ollm(torch.nn.Module):
    """Encoder, decoder and policy of arXiv 2604.19087 as torch modules in f32."""

    def __init__(self, width, options, latent):
        super().__init__()
        def linear(inputs, outputs):
            return torch.nn.Linear(inputs, outputs)

        self.norms = torch.nn.ParameterDict({name: torch.ones(width) for name in ("hidden", "target", "decoder", "policy")})
        self.encoder_in, self.encoder_out = linear(2 * width, latent), linear(latent, options)
        self.decoder_in, self.decoder_out = linear(width, latent), linear(latent, width)
        self.decoder_options = torch.nn.Parameter(torch.randn(options, latent) * 0.02)
        self.policy_in, self.policy_out = linear(width, latent), linear(latent, options)
        torch.nn.init.zeros_(self.decoder_out.weight)
        torch.nn.init.zeros_(self.decoder_out.bias)

    def norm(self, name, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.norms[name]

    def loss(self, hidden, embedded, targets, head):
        q_logits = self.encoder_out(F.silu(self.encoder_in(torch.cat([self.norm("hidden", hidden), self.norm("target", embedded)], -1)))).float()
        q = F.softmax(q_logits, -1)
        z = F.gumbel_softmax(q_logits, hard=True)
        moved = hidden + self.decoder_out(F.silu(self.decoder_in(self.norm("decoder", hidden)) + z @ self.decoder_options))
        policy = F.log_softmax(self.policy_out(F.silu(self.policy_in(self.norm("policy", hidden)))).float(), -1)
        cross_entropy = HeadLoss.apply(moved.float(), head, targets)
        kl = (q * (q.clamp_min(1e-30).log() + math.log(q.shape[-1]))).sum(-1).mean()
        return cross_entropy / len(targets) + kl - (q.detach() * policy).sum(-1).mean()


def train_step(args, hidden_of, embedding, head):
    """One OLLM step on the second half of a row of tokens, as `ollm bench train` does it."""
    width = head.shape[1]
    latent = max(64, round(7 * width / 3 / 64) * 64)
    ollm = Ollm(width, 10, latent).to(args.device)
    optimizer = torch.optim.AdamW(ollm.parameters(), lr=1e-4, weight_decay=0.0, **({"fused": True} if args.device == "cuda" else {}))
    ids = torch.randint(0, head.shape[0], (args.tokens,), device=args.device)

    def work():
        with torch.no_grad():
            hidden = hidden_of(ids)
        first = args.tokens // 2
        targets = ids[first:]
        with torch.autocast(args.device, torch.bfloat16, enabled=args.device == "cuda"):
            loss = ollm.loss(hidden[first - 1:-1].float(), embedding[targets].float(), targets, head)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(ollm.parameters(), 1.0)
        optimizer.step()

    forget_memory(args.device)
    return rates(args.tokens, timed(work, args.repeats, args.device)) | memory(args.device)


def train(args):
    model = load(args)
    result = train_step(args, lambda ids: model.model(input_ids=ids[None], use_cache=False).last_hidden_state[0], model.get_input_embeddings().weight, model.lm_head.weight)
    report(args, result)
    with torch.no_grad():
        hidden = model.model(input_ids=random_ids(model, args.tokens, args.device), use_cache=False).last_hidden_state[0]
    result["cached_hidden_states"] = train_step(args, lambda ids: hidden, model.get_input_embeddings().weight, model.lm_head.weight)
    return result


def gemm(args):
    config = json.loads((Path(args.model) / "config.json").read_text())
    d, f = config["hidden_size"], config["intermediate_size"]
    head_size = config.get("head_dim") or d // config["num_attention_heads"]
    q, kv = config["num_attention_heads"] * head_size, config["num_key_value_heads"] * head_size
    shapes = {"qkv": (q + 2 * kv, d), "o": (d, q), "gate_up": (2 * f, d), "down": (d, f), "head": (config["vocab_size"], d)}
    rows = []
    for name, (n, k) in shapes.items():
        for m in (1, 16, 256, 2048, 8192):
            if m * n > 2 ** 31 or (args.device != "cuda" and m * n * k > 2 ** 28):
                continue
            x = torch.randn(m, k, device=args.device, dtype=torch.bfloat16)
            w = torch.randn(n, k, device=args.device, dtype=torch.bfloat16)
            seconds = device_seconds(lambda: F.linear(x, w), args)
            rows.append({"shape": name, "m": m, "n": n, "k": k, "microseconds": 1e6 * seconds, "tflops": 2e-12 * m * n * k / seconds,
                         "gigabytes_per_second": 2e-9 * (m * k + n * k + m * n) / seconds})
            del x, w
    return {"gemm": rows}


def device_seconds(work, args, repeats=20):
    for _ in range(3):
        work()
    if args.device != "cuda":
        return timed(work, args.repeats, args.device)[0]
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000 / repeats


def small_models():
    """Random models of every kind that config files come in: two families, tied and not, one file and several."""
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

    common = dict(vocab_size=512, hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                  max_position_embeddings=256)
    for name, config_type, model_type, more in (("qwen2", Qwen2Config, Qwen2ForCausalLM, {}), ("qwen3", Qwen3Config, Qwen3ForCausalLM, {"head_dim": 32})):
        for tied in (False, True):
            for sharded in (False, True):
                torch.manual_seed(len(name) + 2 * tied + sharded)
                model = model_type(config_type(**common, **more, tie_word_embeddings=tied)).eval()
                for parameter in model.parameters():
                    # The default initialisation hides mistakes: biases are zero and gains one.
                    parameter.data.add_(torch.randn_like(parameter) * 0.1)
                yield f"{name}, {'tied' if tied else 'untied'}, {'sharded' if sharded else 'one file'}", model, "100KB" if sharded else "5GB"


def parity(args):
    from safetensors.torch import load_file

    if not args.ollm:
        raise SystemExit("parity needs --ollm")
    devices = ["cpu"] + (["cuda"] if args.device == "cuda" else [])
    ids = [3, 141, 59, 26, 5, 35, 8, 97, 93, 238, 462, 64, 33, 83, 279, 50, 288]
    rows = []
    for name, model, shard in small_models():
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, max_shard_size=shard)  # safetensors is the default, and in transformers 5 all there is.
            with torch.no_grad():
                expected = model(input_ids=torch.tensor([ids])).logits[0]
            for device in devices:
                output = Path(folder) / f"{device}.safetensors"
                run = subprocess.run([args.ollm, "forward", "--model", folder, "--tokens", ",".join(map(str, ids)), "--out", str(output), "--device", device],
                                     capture_output=True, text=True, timeout=60)
                row = {"model": name, "device": device}
                if run.returncode != 0:
                    row["error"] = run.stderr.strip()[-300:]
                else:
                    actual = load_file(output)["logits"]
                    row["max_error"] = float((actual - expected).abs().max() / expected.abs().max())
                    row["same_argmax"] = float((actual.argmax(-1) == expected.argmax(-1)).float().mean())
                # On a GPU products are rounded to bf16 on their way in.
                row["passed"] = row.get("max_error", float("inf")) < (1e-4 if device == "cpu" else 3e-2)
                rows.append(row)
    return {"parity": rows, "passed": all(row["passed"] for row in rows)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["prefill", "decode", "train", "gemm", "parity"])
    parser.add_argument("--model")
    parser.add_argument("--ollm")
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU")
    result = globals()[args.part](args)
    report(args, result)
    return 0 if result.get("passed", True) else 1


if __name__ == "__main__":
    sys.exit(main())
