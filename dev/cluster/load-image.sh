#!/bin/bash
# Brings image archives (docker or OCI, as buildah push writes them) into the development cluster.
# What is there already with the same content is left alone.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: $0 TAR..." >&2; exit 2; }
archives=()
for archive in "$@"; do archives+=("$(realpath -e -- "$archive")"); done
here=$(dirname "$(realpath "$0")")
cd "$here/../.."
exec "${PYTHON:-python3}" -m dev.cluster load-image "${archives[@]}"
