"""Products on the models' own shapes beside OpenBLAS (PyTorch's sgemm), shape after shape on the same threads: GFLOP/s, and the percent of the multiply-add
limit measured with each, within the same seconds, because neighbours make a machine's speed change from one to the next. Ours twice, with bf16 weights: on the vector units (OLLM_AMX=0), and on the matrix unit where there is one.

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


def ours(amx, shape):
    """FLOP/s, and the limits."""
    lines = subprocess.run(
        [str(program), "gemm", str(args.threads), "x".join(map(str, shape))],
        env=os.environ | {"OLLM_AMX": amx}, check=True, capture_output=True, text=True).stdout.splitlines()
    return json.loads(lines[0])["flops_per_second"], json.loads(lines[1])


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
print("| rows x inputs x outputs | OpenBLAS | vector units | their limit | to OpenBLAS | matrix unit | its limit | to OpenBLAS |")
print("|---|---|---|---|---|---|---|---|")
entries = []
for shape in shapes:
    vector, limits = ours("0", shape)
    blas = openblas(*shape)
    entry = {"shape": shape, "openblas": blas, "vector": vector, "fma_limit": limits["fma"], "vector_ratio": vector / blas}
    cells = ["x".join(map(str, shape)), f"{blas / 1e9:.0f}", f"{vector / 1e9:.0f}", f"{limits['fma'] / 1e9:.0f} ({100 * vector / limits['fma']:.0f} %)", f"{vector / blas:.2f}x"]
    unit, limits = ours("1", shape)
    limit = limits["matrix_unit"]
    if limit > 0:
        entry |= {"matrix_unit": unit, "matrix_unit_limit": limit, "matrix_unit_ratio": unit / blas}
        cells += [f"{unit / 1e9:.0f}", f"{limit / 1e9:.0f} ({100 * unit / limit:.0f} %)", f"{unit / blas:.2f}x"]
    entries.append(entry)
    print("| " + " | ".join(cells + [""] * (8 - len(cells))) + " |", flush=True)
print(json.dumps({"threads": args.threads, "shapes": entries}))
