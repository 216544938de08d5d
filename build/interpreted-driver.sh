#!/usr/bin/env bash
# A CUDA driver without a GPU into a folder: libcuda.so.1 whose kernels are executed by the tests' PTX interpreter (docs/cuda.md).
# Needs the .NET SDK and a C compiler to link with. Usage: build/interpreted-driver.sh FOLDER, then
# LD_LIBRARY_PATH=FOLDER ollm selftest --device cuda
set -euo pipefail
folder=${1:?usage: build/interpreted-driver.sh FOLDER}
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "interpreted-driver: made for Linux on x86_64" >&2; exit 1; }
command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || { echo "interpreted-driver: a C compiler is needed to link with" >&2; exit 1; }
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/.."
linker=clang
command -v clang >/dev/null || linker=gcc
log=$(mktemp)
trap 'rm -f "$log"' EXIT
dotnet publish tests/driver/InterpretedDriver.csproj -c Release -r linux-x64 -o "$folder/files" --nologo -m:1 -p:CppCompilerAndLinker=$linker >"$log" 2>&1 \
    || { cat "$log"; exit 1; }
# In place at once: a program that has the old one open keeps it.
mv -f "$folder/files/libcuda.so" "$folder/libcuda.so.1"
rm -rf "$folder/files"
echo "$folder/libcuda.so.1: one GPU of compute capability 9.0, interpreted"
