"""Products on the models' own shapes beside OpenBLAS (PyTorch's sgemm), in one run on the same threads: GFLOP/s, and the percent of the multiply-add
limit measured with them. Ours twice, with bf16 weights: on the vector units (OLLM_AMX=0), and on the matrix unit where there is one.

    python3 bench/gemm.py [--rows 64,256,1024] [--models 0.5b,1.5b] [--threads 2]

Prints a Markdown table; the last line is JSON. PyTorch multiplies f32 weights: its bf16 products on a processor are no peer in accuracy.
"""
import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import torch

# inputs x outputs of a layer (q and o; gate and up; down; k and v) and the head.
SHAPES = {
    "0.5b": [(896, 896), (896, 4864), (4864, 896), (896, 128), (896, 151936)],
    "1.5b": [(1536, 1536), (1536, 8960), (8960, 1536), (1536, 256)],
}
HEAD_ROWS = 256  # more make the head's result take gigabytes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", default="64,256,1024")
parser.add_argument("--models", default="0.5b,1.5b")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--no-build", action="store_true")
args = parser.parse_args()

root = Path(__file__).resolve().parents[1]
shapes = [
    (rows, k, n) for model in args.models.split(",") for k, n in SHAPES[model] for rows in map(int, args.rows.split(",")) if n < 100_000 or rows <= HEAD_ROWS
]
program = root / "bench" / "Operations" / "bin" / "Release" / "net10.0" / "OllmNative.Operations"
if not args.no_build:
    subprocess.run(["dotnet", "build", "-c", "Release", "-v", "quiet", "--nologo", str(root / "bench" / "Operations")], check=True, stdout=subprocess.DEVNULL)


def ours(amx):
    """FLOP/s of each shape, and the limits."""
    lines = subprocess.run(
        [str(program), "gemm", str(args.threads), *("x".join(map(str, shape)) for shape in shapes)],
        env=os.environ | {"OLLM_AMX": amx}, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    return [entry["flops_per_second"] for entry in found[:-1]], found[-1]


def openblas(rows, k, n):
    x, w = torch.randn(rows, k), torch.randn(n, k)
    y = torch.empty(rows, n)
    rates = []
    begin = time.perf_counter()
    while len(rates) < 7 or (len(rates) < 200 and time.perf_counter() - begin < 0.4):
        start = time.perf_counter()
        torch.matmul(x, w.t(), out=y)
        rates.append(2 * rows * k * n / (time.perf_counter() - start))
    return statistics.median(rates[2:])


torch.set_num_threads(args.threads)
vector, limits = ours("0")
peer = [openblas(*shape) for shape in shapes]
unit, unit_limits = ours("1")
has_unit = unit_limits["matrix_unit"] > 0
print("| rows x inputs x outputs | OpenBLAS | ours, vector units | of the limit | to OpenBLAS |" + (" matrix unit | of its limit | to OpenBLAS |" if has_unit else ""))
print("|---|---|---|---|---|" + ("---|---|---|" if has_unit else ""))
entries = []
for shape, blas, v, u in zip(shapes, peer, vector, unit):
    entry = {"shape": shape, "openblas": blas, "vector": v, "vector_fraction": v / limits["fma"], "vector_ratio": v / blas}
    cells = ["x".join(map(str, shape)), f"{blas / 1e9:.0f}", f"{v / 1e9:.0f}", f"{100 * entry['vector_fraction']:.0f} %", f"{entry['vector_ratio']:.2f}x"]
    if has_unit:
        entry |= {"matrix_unit": u, "matrix_unit_fraction": u / unit_limits["matrix_unit"], "matrix_unit_ratio": u / blas}
        cells += [f"{u / 1e9:.0f}", f"{100 * entry['matrix_unit_fraction']:.0f} %", f"{entry['matrix_unit_ratio']:.2f}x"]
    entries.append(entry)
    print("| " + " | ".join(cells) + " |")
print(json.dumps({"threads": args.threads, "fma_flops_per_second": limits["fma"], "matrix_unit_flops_per_second": unit_limits["matrix_unit"], "shapes": entries}))
