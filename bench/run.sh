#!/usr/bin/env bash
# Measures `ollm` beside PyTorch on this machine: the same random weights, token ids and training work, part after part in turn, so
# that a busy neighbour hits both. Prints a Markdown table with the ratio to PyTorch and the percent of this machine's measured
# limits (multiply-adds from registers, bytes read from memory); the last line is JSON.
#
#   bench/run.sh [--shape qwen2.5-0.5b] [--tokens 256] [--decode-tokens 16] [--repeats 5] [--threads 2]
#                [--parts prefill,decode,train,cached] [--model DIR] [--no-peer] [--peer-seconds 60] [--ollm PROGRAM]
#
# A part of the peer begins no further repetition after --peer-seconds; a part that fails, for want of memory say, is named and left out.
# Shapes: those of `ollm init-backbone --help`, or a model folder of your own with --model. The peer needs a python3 with torch; PYTHON names another one.
set -euo pipefail
cd "$(dirname "$0")/.."
shape=qwen2.5-0.5b tokens=256 decode_tokens=16 repeats=5 threads=2 parts=prefill,decode,train,cached model="" peer=yes peer_seconds=60 ollm=""
while [ $# -gt 0 ]; do
    case $1 in
        --no-peer) peer=no; shift; continue ;;
        --shape|--tokens|--decode-tokens|--repeats|--threads|--parts|--model|--peer-seconds|--ollm)
            [ $# -gt 1 ] || { echo "error: $1 needs a value" >&2; exit 2; }
            name=${1#--}; printf -v "${name//-/_}" %s "$2"; shift 2 ;;
        -h|--help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "error: $1 is not known; see --help" >&2; exit 2 ;;
    esac
done

command -v python3 >/dev/null || { echo "error: python3 is needed for the table" >&2; exit 2; }
if [ -z "$ollm" ]; then
    dotnet build -c Release -v quiet --nologo src/Cli/Cli.csproj >&2
    ollm=src/Cli/bin/Release/net10.0/ollm
fi
if [ -z "$model" ]; then
    model=${TMPDIR:-/tmp}/ollm-bench-$shape
    [ -f "$model/model.safetensors" ] || "$ollm" init-backbone --shape "$shape" --dtype bf16 --seed 1 --out "$model" --force >&2
fi
skipped=""
[ $peer = yes ] || skipped="PyTorch was left out: --no-peer."
if [ $peer = yes ]; then
    # A distribution's own python3 may have torch where the first one on the path has not.
    python=""
    for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
        if "$candidate" -c 'import torch' 2>/dev/null; then python=$candidate; break; fi
    done
    [ -n "$python" ] || { skipped="PyTorch was left out: no python3 with torch was found (PYTHON names one)."; echo "$skipped" >&2; peer=no; }
fi

results=$(mktemp)
trap 'rm -f "$results"' EXIT
for part in ${parts//,/ }; do
    case $part in
        prefill) ours=(prefill --tokens "$tokens") ;;
        decode) ours=(decode --tokens "$decode_tokens") ;;
        train) ours=(train --tokens "$tokens") ;;
        cached) ours=(train --cached --tokens "$tokens") ;;
        *) echo "error: --parts $part: expected prefill, decode, train or cached" >&2; exit 2 ;;
    esac
    "$ollm" bench "${ours[@]}" --model "$model" --repeats "$repeats" --threads "$threads" --json | tail -1 | sed "s/^/ollm $part /" | tee -a "$results" >&2
    [ $peer = yes ] || continue
    if line=$("$python" bench/peers/torch_cpu.py --model "$model" --tokens "$tokens" --decode-tokens "$decode_tokens" --repeats "$repeats" \
        --seconds "$peer_seconds" --threads "$threads" --parts "$part" | tail -1); then
        echo "torch $part $line" | tee -a "$results" >&2
    else
        skipped+="${skipped:+ }PyTorch failed at $part (see above); that row is without it."
    fi
done
python3 bench/table.py "$results" --model "$model" --tokens "$tokens" --decode-tokens "$decode_tokens" --skipped "$skipped"
