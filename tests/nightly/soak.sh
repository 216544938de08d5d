#!/usr/bin/env bash
# Watches a run that writes a checkpoint after every step for so many seconds (default 600): handles, memory and disk must stay level.
set -euo pipefail
cd "$(dirname "$0")/../.."
OLLM_SOAK_SECONDS=${1:-600} dotnet test -c Release tests/Tests.csproj --filter "FullyQualifiedName~SoakTests"
