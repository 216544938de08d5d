#!/usr/bin/env bash
# Measures everything on a machine with a GPU, in under eight minutes and without network: what is there, whether it computes rightly,
# kernels, prefill, decode, training, the demo, and PyTorch beside it. A part that fails or takes too long is reported and the rest goes on.
#
#   bench/gpu.sh PROGRAM_FOLDER OUT_FOLDER [--device cuda] [--shape deepseek-r1-distill-qwen-1.5b] [--seconds 470] [--small]
#
# PROGRAM_FOLDER holds a self-contained build, made where .NET is: dotnet publish src/Cli -c Release -r linux-x64 --self-contained -o FOLDER
# Results: OUT_FOLDER/results.md and results.json, and each part's output beside them. --small takes sizes for a machine without a GPU.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
ollm=$1/ollm out=$2 device=cuda shape=deepseek-r1-distill-qwen-1.5b seconds=470 small=""
shift 2
while [ $# -gt 0 ]; do
    case $1 in
        --small) small=yes; shift ;;
        --device|--shape|--seconds) [ $# -gt 1 ] || { echo "error: $1 needs a value" >&2; exit 2; }; printf -v "${1#--}" %s "$2"; shift 2 ;;
        *) echo "error: $1 is not known" >&2; exit 2 ;;
    esac
done
# An executable bit may have been lost on the way here.
[ ! -f "$ollm" ] || [ -x "$ollm" ] || chmod +x "$ollm" 2>/dev/null
[ -x "$ollm" ] || { echo "error: $ollm is no program; PROGRAM_FOLDER is a self-contained publish folder" >&2; exit 2; }
mkdir -p "$out"
deadline=$((SECONDS + seconds))
work=$(mktemp -d)
: > "$out/parts.tsv"

# The table comes whatever happens, from the parts that are there.
finish() {
    trap - EXIT
    if command -v "${python:-python3}" >/dev/null; then
        "${python:-python3}" "$here/gpu_table.py" "$out" || cat "$out/parts.tsv"
    else
        echo "no python3 for the table: the parts' results are $out/*.json" >&2
        cat "$out/parts.tsv"
    fi
    rm -rf "$work"
}
trap finish EXIT
child=""
trap 'kill $child 2>/dev/null; exit 143' TERM
trap 'kill $child 2>/dev/null; exit 130' INT

# part NAME LIMIT COMMAND...: its stdout and stderr go to files; the last line of stdout is its result if it is JSON.
part() {
    local name=$1 limit=$2 left=$((deadline - SECONDS)) start=$SECONDS code
    shift 2
    if [ $left -lt 5 ]; then
        printf '%s\tskipped\t0\n' "$name" >> "$out/parts.tsv"
        return
    fi
    [ "$limit" -gt "$left" ] && limit=$left
    # In the background, so that a signal to this script is heard at once.
    timeout --kill-after=5 "$limit" "$@" > "$out/$name.out" 2> "$out/$name.err" &
    child=$!
    wait $child
    code=$?
    case $code in 0) code=done ;; 124|137) code="over $limit s" ;; *) code="failed ($code)" ;; esac
    tail -n 1 "$out/$name.out" | grep '^{' > "$out/$name.json" || rm -f "$out/$name.json"
    printf '%s\t%s\t%s\n' "$name" "$code" $((SECONDS - start)) >> "$out/parts.tsv"
    printf '%-16s %-14s %4d s\n' "$name" "$code" $((SECONDS - start))
    # What went wrong is said at once: the first error of a new machine explains those after it.
    [ "$code" = done ] || { tail -n 3 "$out/$name.err" | cut -c 1-400; } >&2
}

# skipping NAME LIMIT ARGUMENTS...: an error inside a kernel ends the process's use of the GPU. The program runs again without that one, three times at most.
skipping() {
    local first=$1 name=$1 limit=$2 again skips=() bad
    shift 2
    for again in 2 3 4 5; do
        part "$name" "$limit" "$ollm" "$@" --device "$device" --json ${skips[@]+"${skips[@]}"}
        grep -q '"lost":true' "$out/$name.json" 2>/dev/null || return 0
        bad=$(sed -n 's/.*"lost_at":"\([^"]*\)".*/\1/p' "$out/$name.json")
        [ -n "$bad" ] || return 0
        skips+=(--skip "$bad")
        name=$first-$again
    done
}

# A distribution's own python3 may have torch where the first one on the path has not.
python=""
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
    # PYTHON=none leaves PyTorch out.
    [ "${PYTHON:-}" != none ] || break
    if "$candidate" -c 'import torch' 2>/dev/null; then python=$candidate; break; fi
done
prompt=2048 generate=128 row=4096 peer=$here/peers/torch_cuda.py model=$work/model
tiny=() demo=() rounds=()
[ -z "$small" ] || { prompt=8 generate=4 row=16 tiny=(--small --repeats 1) demo=(--small) rounds=(--rounds 1); }
# PyTorch has no emulator.
peer_device=cpu; [ "$device" != cuda ] || peer_device=cuda
export OLLM_KERNEL_CACHE=$work/kernels
# A bare machine has no ICU; nothing here needs one.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
export HOME=${HOME:-$work}

command -v nvidia-smi >/dev/null && part nvidia-smi 10 nvidia-smi
part devices 20 "$ollm" devices --json
# One kernel first: a driver that cannot be used shows in seconds, and with its own words.
part smoke 30 "$ollm" selftest --device "$device" --only ResidualAdd --rounds 1 --json
# Which fast versions are right here: tried once, with everything compiled that they need, for all parts that follow.
skipping versions 120 selftest --only "version "
skipping selftest 90 selftest ${rounds[@]+"${rounds[@]}"}
[ -z "$python" ] || part torch-parity 60 "$python" "$peer" parity --ollm "$ollm" --device "$peer_device"
skipping kernels 60 bench kernels ${tiny[@]+"${tiny[@]}"}
if [ -n "$small" ]; then
    cat > "$work/shape.json" <<'JSON'
{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
 "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000, "tie_word_embeddings": false, "eos_token_id": 3}
JSON
    part model 60 "$ollm" init-backbone --config "$work/shape.json" --seed 1 --out "$model" --json
else
    part model 60 "$ollm" init-backbone --shape "$shape" --seed 1 --out "$model" --json
fi
# Twice the first: the second start finds its kernels in the cache.
part first-token 40 "$ollm" bench decode --model "$model" --device "$device" --tokens 2 --repeats 1 --json
part second-start 30 "$ollm" bench decode --model "$model" --device "$device" --tokens 2 --repeats 1 --json
for name in prefill decode train; do
    case $name in prefill) n=$prompt ;; decode) n=$generate ;; train) n=$row ;; esac
    part "$name" 45 "$ollm" bench $name --model "$model" --device "$device" --tokens "$n" --repeats 5 --json
    [ -z "$python" ] || part "torch-$name" 45 "$python" "$peer" $name --model "$model" --device "$peer_device" --tokens "$n" --repeats 5
done
part cached 45 "$ollm" bench train --cached --model "$model" --device "$device" --tokens "$row" --repeats 5 --json
part profile 45 "$ollm" profile --trace "$out/trace.json" --json -- bench decode --model "$model" --device "$device" --tokens "$((generate / 2))" --repeats 1
[ -z "$python" ] || part torch-gemm 40 "$python" "$peer" gemm --model "$model" --device "$peer_device"
part demo 110 "$ollm" demo --device "$device" ${demo[@]+"${demo[@]}"} --out "$work/demo" --json
# What was used and what was left out, to be read beside the figures.
part devices-after 10 "$ollm" devices --json
