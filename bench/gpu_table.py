"""Turns the parts of bench/gpu.sh in a folder into results.md and results.json, and prints the former."""
import json
import sys
from pathlib import Path

import gpu_figures

out = Path(sys.argv[1])
parts = {}
for line in (out / "parts.tsv").read_text().splitlines():
    name, status, seconds = line.split("\t")
    file = out / f"{name}.json"
    try:
        result = json.loads(file.read_text()) if file.exists() else None
    except json.JSONDecodeError:
        result = None
    error = out / f"{name}.err"
    last = error.read_text(errors="replace").strip().splitlines()[-1:] if status != "done" and error.exists() else []
    parts[name] = {"status": status, "seconds": int(seconds), "result": result, "error": last[0] if last else None}


def result(name):
    return parts.get(name, {}).get("result") or {}


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def megabytes(entry):
    return number(entry["gpu_memory_bytes"] / 1e6, 0) if entry.get("gpu_memory_bytes") else "-"


lines = ["# Measured on one machine in one run", ""]
for gpu in result("devices").get("cuda", {}).get("gpus", []):
    lines += [f"{gpu['name']}, compute capability {gpu['compute_capability']}, driver for CUDA {result('devices')['cuda'].get('driver_version')}; "
              f"PyTorch {result('torch-prefill').get('torch', '-')}", ""]

for gpu in (result("devices-after") or result("devices")).get("cuda", {}).get("gpus", []):
    states = {state: [row for row in gpu.get("versions", []) if row["state"] == state] for state in ("in use", "left out", "not tried")}
    if any(states.values()):
        left = "; ".join(f"{row['name']} ({row['why']}; in its place {row['in_place']})" for row in states["left out"]) or "none"
        lines += [f"Versions in use: {', '.join(row['name'] for row in states['in use']) or 'none'}. Left out: {left}."
                  + (f" Not tried: {', '.join(row['name'] for row in states['not tried'])}." if states["not tried"] else ""), ""]

tests = [name for name in parts if name.startswith(("smoke", "selftest", "versions"))]
def rows(name):
    return result(name).get("kernels", []) + result(name).get("operations", []) + (result(name).get("versions", []) if name.startswith("versions") else [])


wrong = [row for name in tests for row in rows(name) if not row["passed"]]
right = sum(row["passed"] for name in tests if name != "smoke" for row in rows(name))
lines += [f"Self-test: {right} right, {len(wrong)} wrong{' or lost' if any(result(name).get('lost') for name in tests) else ''}.", ""]
if wrong:
    lines += ["| wrong | shape | error | tolerance | |", "|---|---|---|---|---|"]
    lines += [f"| {row['name']} | {row['shape']} | {row['max_error']} | {row['tolerance']} | {(row['failure'] or '').splitlines()[0][:300].replace('|', '/') if row['failure'] else ''} |" for row in wrong]
    lines += [""]

try:
    lines += gpu_figures.table(result)
except (KeyError, TypeError, ValueError, AttributeError) as problem:  # A part that says something unforeseen must not cost the rest of the table.
    lines += [f"The figures to reach could not be worked out: {type(problem).__name__}: {problem}.", ""]
lines += ["| tokens/s | ollm (range) | PyTorch (range) | ratio | of the limit | GPU memory, MB: ollm, PyTorch |", "|---|---|---|---|---|---|"]
for name in ("prefill", "decode", "decode-ollm", "decode-options", "decode-32", "train", "cached"):
    ours = result(name)
    peer = result("torch-train").get("cached_hidden_states", {}) if name == "cached" else result(f"torch-{name}")
    a, b = ours.get("tokens_per_second"), peer.get("tokens_per_second")

    def cell(entry):
        return f"{number(entry.get('tokens_per_second'))} ({number(entry.get('min'))} - {number(entry.get('max'))})" if entry else "-"

    fraction = ours.get("limit_fraction")
    titles = {"decode-ollm": "decode, with options", "decode-options": "decode, all options shown", "decode-32": "decode, 32 sequences",
              "train": "train, first epoch", "cached": "train, cached hidden states"}
    lines.append(f"| {titles.get(name, name)} | {cell(ours)} | {cell(peer)} | {number(a / b, 2) if a and b else '-'} | {number(100 * fraction, 0) + ' %' if fraction else '-'} | "
                 f"{megabytes(ours)}, {megabytes(peer)} |")

first, second = (result(name).get("seconds_from_start_through_first_run") for name in ("first-token", "second-start"))
lines += ["", f"From the program's start through its first two tokens: {number(first, 2)} s, and {number(second, 2)} s with compiled kernels found."]
lines += ["", "| kernel | shape | ms | GB/s | TFLOP/s | roofline |", "|---|---|---|---|---|---|"]
# Of several runs, each without what the one before was lost at, the last has come furthest.
runs = [result(name) for name in parts if name.startswith("kernels") and result(name)]
for row in runs[-1].get("kernels", []) if runs else []:
    share = row.get("roofline_fraction")
    lines.append(f"| {row['kernel']} | {row['shape']} | {number(row['milliseconds'], 3)} | {number(row['gigabytes_per_second'])} | "
                 f"{number(row['teraflops_per_second'], 2)} | {number(100 * share, 0) + ' %' if share else '-'} |")

failed = {row["kernel"]: row["why"] for run in runs for row in run.get("failed", [])}
if failed:
    lines += ["", "| kernel that could not be measured | |", "|---|---|"]
    lines += [f"| {kernel} | {why.splitlines()[0][:300].replace('|', '/')} |" for kernel, why in failed.items()]

graph = result("torch-decode").get("cuda_graph", {})
if graph:
    text = graph.get("error") or f"{number(graph.get('tokens_per_second'))} ({number(graph.get('min'))} - {number(graph.get('max'))}) tokens/s"
    lines += ["", f"PyTorch's decoding step as a CUDA graph, without `generate`: {text}."]

if result("torch-gemm").get("gemm"):
    lines += ["", "| cuBLAS bf16 | M x N x K | us | TFLOP/s | GB/s |", "|---|---|---|---|---|"]
    lines += [f"| {row['shape']} | {row['m']} x {row['n']} x {row['k']} | {number(row['microseconds'])} | {number(row['tflops'])} | {number(row['gigabytes_per_second'])} |"
              for row in result("torch-gemm")["gemm"]]

if result("torch-parity").get("parity"):
    lines += ["", "| logits beside transformers | device | largest error | same token | |", "|---|---|---|---|---|"]
    lines += [f"| {row['model']} | {row['device']} | {row.get('max_error', row.get('error', '-'))} | {row.get('same_argmax', '-')} | {'ok' if row['passed'] else 'WRONG'} |"
              for row in result("torch-parity")["parity"]]

lines += ["", "| part | | seconds | |", "|---|---|---|---|"]
lines += [f"| {name} | {part['status']} | {part['seconds']} | {(part['error'] or '').replace('|', '/')} |" for name, part in parts.items()]
(out / "results.md").write_text("\n".join(lines) + "\n")
(out / "results.json").write_text(json.dumps(parts, indent=1) + "\n")
print("\n".join(lines))
