"""The command line of every part of the cluster. Pure."""

from dev.cluster.layout import API_PORT, NODE, SERVICE_RANGE, Layout

# In the order of starting; ended in the reverse one.
STORE = ("etcd", "containerd")
CORE = (*STORE, "kube-apiserver")
AFTER_API = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
AFTER_NODE = ("volume-provisioner", "kube-router")
ALL = CORE + AFTER_API + AFTER_NODE

_FAST = ["--kube-api-qps=1000", "--kube-api-burst=2000"]


def etcd(layout: Layout) -> list[str]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        f"--data-dir={layout.folder}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
        *([] if layout.fsync else ["--unsafe-no-fsync"]),
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--secure-port={API_PORT}",
        f"--advertise-address={layout.node_ip}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--max-requests-inflight=3000",
        "--max-mutating-requests-inflight=1500",
        "--delete-collection-workers=8",
    ]


def kube_controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--kubeconfig={layout.conf}/kube-controller-manager",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        f"--flex-volume-plugin-dir={layout.kubelet}/plugins-exec",
        # The bridge has the node's range; thousands of pretended nodes need none.
        "--allocate-node-cidrs=false",
        *_FAST,
    ]


def kube_scheduler(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.conf}/kube-scheduler",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        # A pod made together with its claim would be retried in the very moment between the claim's
        # volume name and its phase Bound; the kubelet then refuses it, for 10 to 15 s. Retry after 1 s.
        "--feature-gates=SchedulerPopFromBackoffQ=false",
        *_FAST,
    ]


def kubelet(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.conf}/kubelet",
        f"--config={layout.conf}/kubelet.json",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet}/pki",
        f"--node-ip={layout.node_ip}",
        f"--hostname-override={NODE}",
    ]


def kube_proxy(layout: Layout) -> list[str]:
    return [f"--config={layout.conf}/kube-proxy.json", f"--hostname-override={NODE}"]


def kube_router(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.conf}/kube-router",
        f"--hostname-override={NODE}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--run-router=false",
        "--run-service-proxy=false",
        "--run-loadbalancer=false",
        "--run-firewall=true",
        "--iptables-sync-period=1m",
    ]


def volume_provisioner(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.conf}/volume-provisioner",
        f"--root={layout.volumes}",
        f"--node={NODE}",
    ]


def containerd(layout: Layout) -> list[str]:
    return [f"--config={layout.conf}/containerd.toml"]


_ARGUMENTS = {
    "etcd": etcd,
    "kube-apiserver": kube_apiserver,
    "containerd": containerd,
    "kube-controller-manager": kube_controller_manager,
    "kube-scheduler": kube_scheduler,
    "kubelet": kubelet,
    "kube-proxy": kube_proxy,
    "volume-provisioner": volume_provisioner,
    "kube-router": kube_router,
}


def argv(name: str, layout: Layout) -> list[str]:
    program = "/usr/bin/containerd" if name == "containerd" else str(layout.bin / name)
    return [program, *_ARGUMENTS[name](layout)]
