# The development cluster: one real Kubernetes node on this machine (see dev/cluster/README.md).
# Included by the Makefile at the top. Other targets use what KUBECONFIG names, whoever started it.

CLUSTER_DIR ?= $(CURDIR)/.cluster
export CLUSTER_DIR
CLUSTER_KUBECONFIG := $(CLUSTER_DIR)/kubeconfig
export KUBECONFIG := $(or $(KUBECONFIG),$(CLUSTER_KUBECONFIG))
export PATH := $(CLUSTER_DIR)/bin:$(PATH)
# The scripts need nothing but the standard library, so that the cluster can be built beside the environment.
CLUSTER := python3 -m dev.cluster

SYSTEM_PACKAGES := ca-certificates git curl make tmux python3 python3-venv openssl socat kmod iproute2 \
  containerd runc containernetworking-plugins iptables conntrack ipset mmdebstrap buildah \
  fuse-overlayfs ethtool postgresql prometheus

# A KUBECONFIG of the user's own means a cluster of their own.
ifeq ($(abspath $(KUBECONFIG)),$(abspath $(CLUSTER_KUBECONFIG)))
CLUSTER_IS_OURS := yes
endif

.PHONY: setup-system cluster cluster-down cluster-clean cluster-status cluster-tools cluster-check

# Tests start databases of their own: Debian shall make and start none. A machine that has PostgreSQL is left as it is.
POSTGRES_CONF := /etc/postgresql-common/createcluster.conf
# Without its service files there is nothing of Prometheus' package that Debian could start.
NO_PROMETHEUS_SERVICE := -o DPkg::Options::=--path-exclude=/lib/systemd/system/prometheus.service \
  -o DPkg::Options::=--path-exclude=/etc/init.d/prometheus

setup-system: ## Install the Debian packages that the cluster, the images and the tests need
	@missing=""; for package in $(SYSTEM_PACKAGES); do \
	  dpkg-query -W -f='$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then echo "all system packages are installed"; exit 0; fi; \
	echo "installing:$$missing"; \
	if [ ! -e $(POSTGRES_CONF) ]; then \
	  mkdir -p $(dir $(POSTGRES_CONF)) && printf 'create_main_cluster = false\nstart_conf = manual\n' > $(POSTGRES_CONF); \
	fi; \
	apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
	  $(NO_PROMETHEUS_SERVICE) $$missing

cluster: ## Start the cluster, or check the one that KUBECONFIG names
ifeq ($(CLUSTER_IS_OURS),yes)
	@$(CLUSTER) up
else
	@echo "using the cluster of KUBECONFIG=$(KUBECONFIG)"
	@kubectl --request-timeout=15s get --raw /readyz >/dev/null && kubectl --request-timeout=15s get nodes
endif

cluster-down: ## Stop the cluster, keep its state (CLUSTER_DIR=… for another checkout's)
	@$(CLUSTER) down

cluster-clean: ## Stop the cluster and delete its state
	@$(CLUSTER) clean

cluster-status: ## Show what runs of the cluster
	@$(CLUSTER) status

cluster-tools: ## Build the cluster's programs only (kubectl and helm among them)
	@$(CLUSTER) build

cluster-check: ## Start, use and stop the cluster, and check that nothing is left behind
	@dev/cluster/leaves-nothing-behind.sh
