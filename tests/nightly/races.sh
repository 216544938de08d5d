#!/usr/bin/env bash
# Runs every kernel of the catalog on the adversary's schedules, and each of its mutants: one instruction that orders memory left out or weakened.
# Then every operation of the compute device. The first argument takes the kernels whose name contains it (or one of several, with commas between), the second is the number of seeds (default 1). Prints the mutants that survive.
set -euo pipefail
cd "$(dirname "$0")/../.."
OLLM_RACES=${1:-} OLLM_RACE_SEEDS=${2:-1} dotnet test -c Release tests/Tests.csproj --filter "FullyQualifiedName~Adversary" --logger "console;verbosity=detailed" |
    grep -E "SURVIVES|[0-9]+ of [0-9]+ found|^ *(Passed|Failed):" | sort -u
