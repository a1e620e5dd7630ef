#!/bin/bash
# Starts the cluster, uses all of it (pod, volume, service, network policy), stops it, and compares the machine
# with what it was: processes, mounts, interfaces, packet filter, control groups, kernel settings, folders.
# Ends 0 when nothing differs. Refuses to run while the cluster is up, because it would stop it for others.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."
folder=$(realpath -m "${CLUSTER_DIR:-.cluster}")
export KUBECONFIG=$folder/kubeconfig PATH=$folder/bin:$PATH CLUSTER_DIR=$folder
cluster() { python3 -m dev.cluster "$@"; }
if cluster status >/dev/null 2>&1; then
  echo "the cluster runs; stop it first (make cluster-down)" >&2
  exit 2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cluster snapshot > "$scratch/before"
cluster up
kubectl create namespace leaves-nothing --dry-run=client --output=yaml | kubectl apply --filename=- >/dev/null
kubectl --namespace=leaves-nothing apply --filename=dev/cluster/leaves-nothing-behind.yaml >/dev/null
kubectl --namespace=leaves-nothing wait pod/once --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s
kubectl --namespace=leaves-nothing logs once | grep --quiet CoreDNS
kubectl --namespace=leaves-nothing wait pod/stays --for=jsonpath='{.status.phase}'=Running --timeout=60s
# Stopped with pods, a volume and a policy still there: the harder case.
cluster down
cluster snapshot > "$scratch/after"
diff --unified "$scratch/before" "$scratch/after" && echo "nothing is left behind"

cluster up >/dev/null
kubectl delete namespace leaves-nothing --wait --timeout=60s >/dev/null
cluster down >/dev/null
cluster snapshot > "$scratch/after"
diff --unified "$scratch/before" "$scratch/after" && echo "nor after a second start"
