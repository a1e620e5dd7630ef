"""The contents of the parts' configuration files. Pure: no I/O, so that a test can read them."""

import json
from typing import Any

from dev.cluster.layout import (
    BRIDGE,
    CGROUP,
    CLUSTER_DOMAIN,
    CNI_NETWORK,
    DNS_IP,
    PAUSE_IMAGE,
    POD_RANGE,
    Layout,
)


def containerd(layout: Layout) -> str:
    root = layout.containerd
    return f"""version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{layout.socket}"
[ttrpc]
  address = "{layout.socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  # Not every kernel lets root lower its score (no CAP_SYS_RESOURCE in some virtual machines).
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  netns_mounts_under_state_dir = true
  max_concurrent_downloads = 8
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.conf}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "{root}/runc"
"""


def cni(layout: Layout) -> str:
    ipam = {
        "type": "host-local",
        "dataDir": f"{layout.containerd}/addresses",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": ipam}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [bridge, ports]}, indent=1)


def kubelet(layout: Layout, resolv_conf: str) -> str:
    content: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{layout.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "cgroupsPerQOS": True,
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_IP],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": resolv_conf,
        "podLogsDir": f"{layout.folder}/pod-logs",
        "volumePluginDir": f"{layout.kubelet}/plugins-exec",
        "maxPods": 250,
        # Nothing waits its turn: one developer's machine, not a shared registry or API server.
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 1000,
        "kubeAPIBurst": 2000,
        "syncFrequency": "10s",
        # Images cannot be pulled again here: keep them, however full the disk is.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
    return json.dumps(content, indent=1)


def kube_proxy(layout: Layout) -> str:
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{layout.conf}/kube-proxy", "qps": 1000, "burst": 2000},
        "mode": "iptables",
        "clusterCIDR": POD_RANGE,
        "bindAddress": "127.0.0.1",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "iptables": {"localhostNodePorts": False, "minSyncPeriod": "100ms"},
        # The machine's connection tracking is its owner's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    return json.dumps(content, indent=1)


def corefile(forward: bool) -> str:
    onward = "    forward . /etc/resolv.conf\n" if forward else ""
    return f""".:1053 {{
    errors
    health :8080
    ready :8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
{onward}    cache 5
}}
"""
