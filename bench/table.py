"""Turns the lines of bench/run.sh (`ollm PART {json}`, `torch PART {json}`) into a Markdown table and, last, one JSON object."""
import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("results", type=Path)
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--tokens", type=int, required=True)
parser.add_argument("--decode-tokens", type=int, required=True)
parser.add_argument("--skipped", default="", help="what was left out, and why: printed above the table")
args = parser.parse_args()

parts = {}
for line in args.results.read_text().splitlines():
    program, part, text = line.split(" ", 2)
    parts.setdefault(part, {})[program] = json.loads(text)

names = {
    "prefill": f"prefill, {args.tokens} tokens", "decode": f"decode, {args.decode_tokens} tokens",
    "train": f"training, first epoch, {args.tokens} tokens", "cached": f"training, cached hidden states, {args.tokens} tokens",
}
if args.skipped:
    print(args.skipped + "\n")
print("| | ollm, tokens/s (range) | PyTorch, tokens/s (range) | ratio | of the limit | limits measured | peak memory: ollm, PyTorch |")
print("|---|---|---|---|---|---|---|")
summary = {"model": args.model.name, "file_bytes": sum(f.stat().st_size for f in args.model.glob("*.safetensors")), "tokens": args.tokens, "skipped": args.skipped}
first_epoch = parts.get("train", {}).get("torch", {}).get("train", {}).get("tokens_per_second")
for part, both in parts.items():
    ours, torch = both["ollm"], both.get("torch")
    peer = torch[part] if torch else None
    entry = {
        "tokens_per_second": ours["tokens_per_second"], "limit_fraction": ours["limit_fraction"], "flops_per_second": ours["flops_per_second"],
        "matrix_unit_flops_per_second": ours.get("matrix_unit_flops_per_second", 0), "bytes_per_second": ours["bytes_per_second"], "peak_memory_bytes": ours["peak_memory_bytes"],
    }
    cells = [names[part], f"{ours['tokens_per_second']:.1f} ({ours['min']:.1f}-{ours['max']:.1f})"]
    if peer:
        entry |= {"torch": peer["tokens_per_second"], "ratio": ours["tokens_per_second"] / peer["tokens_per_second"]}
        cells += [f"{peer['tokens_per_second']:.1f} ({peer['min']:.1f}-{peer['max']:.1f})", f"{entry['ratio']:.2f}x"]
        if part == "cached" and first_epoch:
            entry["ratio_to_first_epoch"] = ours["tokens_per_second"] / first_epoch
            cells[-1] += f" ({entry['ratio_to_first_epoch']:.2f}x its first epoch)"
    else:
        cells += ["", ""]
    memory = f"{ours['peak_memory_bytes'] / 2**30:.2f} GiB" + (f", {torch['peak_memory_bytes'] / 2**30:.2f} GiB" if torch else "")
    unit = f" (unit {entry['matrix_unit_flops_per_second'] / 1e9:.0f})" if entry["matrix_unit_flops_per_second"] else ""
    cells += [f"{100 * ours['limit_fraction']:.0f} %", f"{ours['flops_per_second'] / 1e9:.0f}{unit} GFLOP/s, {ours['bytes_per_second'] / 1e9:.1f} GB/s", memory]
    print("| " + " | ".join(cells) + " |")
    summary[part] = entry
print(json.dumps(summary))
