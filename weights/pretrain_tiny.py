"""Pre-trains weights/tiny-qwen2 on the tiny world and measures it. From the repository root, about 10 minutes on one core:

    python3 weights/pretrain_tiny.py

Needs PyTorch (made with 1.13) and the .NET SDK (the rows come from `ollm data tiny`); nothing else in the project needs PyTorch.
"""
import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "reference"))
import qwen  # noqa: E402
import safetensors_io  # noqa: E402
from make_tokenizer import Tokenizer, make, write_json  # noqa: E402

FOLDER = ROOT / "weights" / "tiny-qwen2"
SEPARATOR = "\n"  # TinyWorld.Separator
BATCH = 64


def model_config(tokenizer):
    return {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "attention_dropout": 0.0,
        "bos_token_id": tokenizer.end, "eos_token_id": tokenizer.end, "hidden_act": "silu", "hidden_size": 96,
        "initializer_range": 0.02, "intermediate_size": 256, "max_position_embeddings": 256,
        "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 2, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "sliding_window": None, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "use_cache": True, "use_sliding_window": False, "vocab_size": tokenizer.size,
    }


def make_rows(count, seed, split, distinct=False):
    """Rows of the C# generator, as dicts."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.jsonl"
        command = ["dotnet", "run", "--project", str(ROOT / "src" / "Cli"), "-c", "Release", "--", "data", "tiny",
                   "--rows", str(count), "--seed", str(seed), "--split", split, "--out", str(out)]
        subprocess.run(command + ["--distinct"] * distinct, check=True)
        return [json.loads(line) for line in out.read_text().splitlines()]


def encode_rows(tokenizer, rows):
    """tokens [N, T] padded with the end token on the right, and targets [N, T]: -100 where no loss is taken."""
    prompts = [tokenizer.encode(row["problem"] + SEPARATOR) for row in rows]
    texts = [p + tokenizer.encode(row["generated_solution"]) + [tokenizer.end] for p, row in zip(prompts, rows)]
    length = max(map(len, texts))
    tokens = torch.full((len(rows), length), tokenizer.end, dtype=torch.int64)
    targets = torch.full((len(rows), length), -100, dtype=torch.int64)
    for i, (prompt, text) in enumerate(zip(prompts, texts)):
        tokens[i, :len(text)] = torch.tensor(text)
        targets[i, len(prompt) - 1:len(text) - 1] = torch.tensor(text[len(prompt):])
    return tokens, targets


def initialise(config, generator):
    """Normal weights: 0.02 for embeddings, 1/sqrt(fan-in) for matrices, halved where a layer writes to the residual."""
    params = {}
    for name, shape in qwen.parameter_shapes(config).items():
        if "norm" in name:
            value = torch.ones(shape)
        elif name.endswith("bias"):
            value = torch.zeros(shape)
        else:
            scale = 0.02 if "embed" in name else shape[1] ** -0.5
            scale *= 0.5 if "o_proj" in name or "down_proj" in name else 1.0
            value = torch.randn(shape, generator=generator) * scale
        params[name] = value.requires_grad_()
    return params


def loss_of(params, config, tokens, targets, reduction="mean"):
    hidden = qwen.forward(params, config, tokens)
    wanted = targets != -100
    return F.cross_entropy(qwen.logits(params, hidden[wanted]), targets[wanted], reduction=reduction)


def learning_rate(step, steps, peak):
    warm_up = 200
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def train(params, config, tokens, targets, steps, peak):
    matrices = [p for p in params.values() if p.dim() > 1]
    vectors = [p for p in params.values() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=peak, betas=(0.9, 0.98))
    start, average = time.time(), None
    for step in range(steps):
        rows = torch.arange(step * BATCH, (step + 1) * BATCH) % len(tokens)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        loss = loss_of(params, config, tokens[rows], targets[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        optimizer.step()
        average = loss.item() if average is None else 0.98 * average + 0.02 * loss.item()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {average:.4f} ({time.time() - start:.0f} s)", flush=True)


def row_entropy(row):
    """Nats of phrasing and strategy in one row, as TinyWorld draws them."""
    if not row["conflict"]:
        return math.log(4)
    p = 0.65 if int(row["problem"][-1]) >= 7 else 0.33
    return math.log(4) - p * math.log(p) - (1 - p) * math.log(1 - p)


@torch.no_grad()
def complete(params, config, tokenizer, problems, temperature, generator):
    """One completion of each problem, 32 tokens at most: greedy at temperature 0, else sampled."""
    prompts = [tokenizer.encode(p + SEPARATOR) for p in problems]
    assert len(set(map(len, prompts))) == 1, "the problems of the tiny world all have the same number of tokens"
    tokens, done = torch.tensor(prompts), torch.zeros(len(prompts), dtype=torch.bool)
    width = tokens.shape[1]
    while tokens.shape[1] < width + 32 and not done.all():
        scores = qwen.logits(params, qwen.forward(params, config, tokens)[:, -1])
        if temperature == 0:
            chosen = scores.argmax(-1)
        else:
            chosen = torch.multinomial(torch.softmax(scores / temperature, -1), 1, generator=generator)[:, 0]
        chosen[done] = tokenizer.end
        done |= chosen == tokenizer.end
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
    return [tokenizer.decode([t for t in row if t != tokenizer.end]) for row in tokens[:, width:].tolist()]


NUMBER = r"-?\d+"
STEP = rf"({NUMBER}[+*-]{NUMBER})={NUMBER}"
FORMS = [re.compile(p + r" ?\\boxed\{(" + NUMBER + r")\}") for p in
         (f"First {STEP}, then {STEP}:", f"We get {STEP} so {STEP},", f"Start {STEP}; next {STEP};", f"Now {STEP} and {STEP}\\.")]


def judge(problem, text):
    """(well formed, strategy or None, answer right for that strategy, answer right)."""
    a, first, b, second, c = problem.split(" ")
    match = next((m for m in (form.fullmatch(text) for form in FORMS) if m), None)
    if match is None:
        return False, None, False, False
    right = eval(f"{a}{first}{b}{second}{c}")
    by_strategy = {f"{a}{first}{b}": eval(f"({a}{first}{b}){second}{c}"), f"{b}{second}{c}": eval(f"{a}{first}({b}{second}{c})")}
    step, answer = match.group(1), int(match.group(3))
    if step not in by_strategy:
        return True, None, False, answer == right
    return True, "left" if step == f"{a}{first}{b}" else "precedence", answer == by_strategy[step], answer == right


TEXTS = ["First {}, then {}: \\boxed{{{}}}", "We get {} so {}, \\boxed{{{}}}", "Start {}; next {}; \\boxed{{{}}}",
         "Now {} and {}. \\boxed{{{}}}"]


def solutions(problem, precedence):
    """The right text of one strategy in each phrasing."""
    a, first, b, second, c = problem.split(" ")
    if precedence:
        inner = eval(b + second + c)
        steps, answer = [f"{b}{second}{c}={inner}", f"{a}{first}{inner}"], eval(f"{a}{first}({inner})")
    else:
        inner = eval(a + first + b)
        steps, answer = [f"{a}{first}{b}={inner}", f"{inner}{second}{c}"], eval(f"({inner}){second}{c}")
    return [text.format(steps[0], f"{steps[1]}={answer}", answer) for text in TEXTS]


@torch.no_grad()
def argmax_right(params, config, tokenizer, problems, precedence):
    """Share of (problem, phrasing) whose every token after the first step's operands is the argmax: what greedy decoding
    gets right once phrasing and strategy are chosen."""
    rows = [{"problem": p, "generated_solution": s} for p in problems for s in solutions(p, precedence)]
    tokens, targets = encode_rows(tokenizer, rows)
    predicted = torch.cat([qwen.logits(params, qwen.forward(params, config, part)).argmax(-1) for part in tokens.split(200)])
    for target, row in zip(targets, rows):  # the choices themselves are not judged
        start = len(tokenizer.encode(row["problem"] + SEPARATOR)) - 1
        target[start:start + len(tokenizer.encode(row["generated_solution"].split("=")[0]))] = -100
    return ((predicted == targets) | (targets == -100)).all(-1).float().mean().item()


def share(values):
    values = list(values)
    return sum(values) / max(1, len(values))


def measure(params, config, tokenizer, held_out, samples=8):
    """The figures of the model card, on held-out problems."""
    problems = [row["problem"] for row in held_out]
    conflict = [row["conflict"] for row in held_out]
    greedy = [judge(p, t) for p, t in zip(problems, complete(params, config, tokenizer, problems, 0, None))]
    generator = torch.Generator().manual_seed(1)
    drawn = [[judge(p, t) for p, t in zip(problems, complete(params, config, tokenizer, problems, 1.0, generator))]
             for _ in range(samples)]
    everything = [(i, result) for run in drawn for i, result in enumerate(run)]
    on_conflict = [result for i, result in everything if conflict[i]]
    conflicts = [p for p, is_conflict in zip(problems, conflict) if is_conflict]
    tokens, targets = encode_rows(tokenizer, held_out)
    count = int((targets != -100).sum())
    with torch.no_grad():
        loss = loss_of(params, config, tokens, targets, reduction="sum").item() / count
    return {
        "problems": len(problems),
        "greedy": share(r[3] for r in greedy),
        "greedy_conflict": share(r[3] for r, is_conflict in zip(greedy, conflict) if is_conflict),
        "sampled": share(r[3] for _, r in everything),
        f"pass@{samples}": share(any(run[i][3] for run in drawn) for i in range(len(problems))),
        "well_formed": share(r[0] for _, r in everything),
        "precedence_share_conflict": share(r[1] == "precedence" for r in on_conflict),
        "right_given_precedence": share(r[2] for r in on_conflict if r[1] == "precedence"),
        "right_given_left_to_right": share(r[2] for r in on_conflict if r[1] == "left"),
        "argmax_right_precedence": argmax_right(params, config, tokenizer, conflicts, precedence=True),
        "argmax_right_left_to_right": argmax_right(params, config, tokenizer, conflicts, precedence=False),
        "right_no_conflict": share(r[3] for i, r in everything if not conflict[i]),
        "held_out_loss": loss,
        "entropy_of_the_data": sum(map(row_entropy, held_out)) / count,
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=2500)
    arguments.add_argument("--rows", type=int, default=160_000)
    arguments.add_argument("--lr", type=float, default=3e-3)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=Path, default=FOLDER)
    arguments.add_argument("--measure-only", action="store_true", help="measure the model that --out holds")
    args = arguments.parse_args()
    torch.set_num_threads(1)  # the matrices are small: a second thread waits more than it works

    if not args.measure_only:
        pretrain(args)
    config = json.loads((args.out / "config.json").read_text())
    tokenizer = Tokenizer(json.loads((args.out / "tokenizer.json").read_text()))
    params = {name: p.float() for name, p in safetensors_io.load_folder(args.out).items()}
    figures = measure(params, config, tokenizer, make_rows(300, 7, "heldout", distinct=True))
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def pretrain(args):
    """Trains from scratch and writes the model folder."""
    tokenizer = Tokenizer(make(args.out))
    config = model_config(tokenizer)
    write_json(args.out / "config.json", config)
    write_json(args.out / "generation_config.json", {"eos_token_id": tokenizer.end, "pad_token_id": tokenizer.end})
    tokens, targets = encode_rows(tokenizer, make_rows(args.rows, args.seed, "train"))
    params = initialise(config, torch.Generator().manual_seed(args.seed))
    print(f"{sum(p.numel() for p in params.values())} parameters, {tokens.shape[1]} tokens a row at most", flush=True)
    train(params, config, tokens[:, :-1], targets[:, :-1], args.steps, args.lr)
    rounded = {name: p.detach().to(torch.bfloat16) for name, p in params.items()}
    safetensors_io.save(args.out / "model.safetensors", rounded, {"format": "pt"})


if __name__ == "__main__":
    main()
