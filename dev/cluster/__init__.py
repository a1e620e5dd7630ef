"""A real one-node Kubernetes cluster on a Debian machine; run as ``python3 -m dev.cluster``."""
