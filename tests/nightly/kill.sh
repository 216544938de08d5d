#!/usr/bin/env bash
# Kills a training process at N random moments (default 40), resumes it and compares with the uninterrupted run, bit for bit.
set -euo pipefail
cd "$(dirname "$0")/../.."
OLLM_KILLS=${1:-40} OLLM_KILL_SEED=${2:-$RANDOM} dotnet test -c Release tests/Tests.csproj --filter "FullyQualifiedName~KillTests"
