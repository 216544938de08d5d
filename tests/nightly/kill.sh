#!/usr/bin/env bash
# Kills training (with and without a cache of hidden states), latent RL and evaluation at N random moments each (default 40), resumes them and
# compares with the uninterrupted runs, bit for bit.
set -euo pipefail
cd "$(dirname "$0")/../.."
OLLM_KILLS=${1:-40} OLLM_KILL_SEED=${2:-$RANDOM} dotnet test -c Release tests/Tests.csproj --filter "FullyQualifiedName~KillTests|FullyQualifiedName~KilledAndResumed"
