"""Keys and certificates of the cluster, made by openssl and kept until ``make cluster-clean``."""

import base64
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.layout import API_SERVICE_IP, CLUSTER_DOMAIN, NODE, Layout

_DAYS = "3650"
_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    name: str
    user: str
    group: str
    names: str


def certificates(node_ip: str) -> list[Certificate]:
    service = "kubernetes.default.svc"
    hosts = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.{CLUSTER_DOMAIN}"]
    addresses = ["127.0.0.1", API_SERVICE_IP, node_ip]
    api = ",".join([f"DNS:{host}" for host in hosts] + [f"IP:{address}" for address in addresses])
    clients = [
        ("admin", "admin", "system:masters"),
        ("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        ("kube-controller-manager", "system:kube-controller-manager", "cluster"),
        ("kube-scheduler", "system:kube-scheduler", "cluster"),
        ("kube-proxy", "system:kube-proxy", "cluster"),
        ("kube-router", "kube-router", "cluster"),
        ("volume-provisioner", "volume-provisioner", "cluster"),
    ]
    return [
        Certificate("apiserver", "kube-apiserver", "cluster", api),
        Certificate("kubelet", f"system:node:{NODE}", "system:nodes", f"DNS:{NODE},IP:{node_ip},IP:127.0.0.1"),
        *(Certificate(name, user, group, f"DNS:{name}") for name, user, group in clients),
    ]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _authority(folder: Path) -> None:
    key, certificate = folder / "ca.key", folder / "ca.crt"
    subject = ["-subj", "/CN=mentu-dev-cluster"]
    _openssl("req", "-x509", *_EC, "-days", _DAYS, *subject, "-keyout", str(key), "-out", str(certificate))
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "service-accounts.key"))
    _openssl("ec", "-in", str(folder / "service-accounts.key"), "-pubout", "-out", str(folder / "service-accounts.pub"))


def _issue(folder: Path, wanted: Certificate) -> None:
    base = folder / wanted.name
    extensions = base.with_suffix(".ext")
    usage = "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
    extensions.write_text(f"{usage}subjectAltName={wanted.names}\n")
    subject = f"/O={wanted.group}/CN={wanted.user}"
    _openssl("req", "-new", *_EC, "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", subject)
    signer = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-days", _DAYS]
    _openssl("x509", "-req", "-in", f"{base}.csr", *signer, "-extfile", str(extensions), "-out", f"{base}.crt")


def ensure(layout: Layout) -> None:
    """Issue what is missing; anew if the machine's address has changed, by the same authority."""
    stamp = layout.pki / "issued-for"
    if stamp.exists() and stamp.read_text() == layout.node_ip:
        return
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (layout.pki / "service-accounts.pub").exists():
        _authority(layout.pki)
    wanted = certificates(layout.node_ip)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: _issue(layout.pki, one), wanted))
    stamp.write_text(layout.node_ip)


def kubeconfig(layout: Layout, name: str) -> str:
    """A kubeconfig with everything in it, as JSON, which is YAML too."""

    def inline(file: str) -> str:
        return base64.b64encode((layout.pki / file).read_bytes()).decode()

    user = {"client-certificate-data": inline(f"{name}.crt"), "client-key-data": inline(f"{name}.key")}
    cluster = {"server": layout.server, "certificate-authority-data": inline("ca.crt")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "mentu-dev", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "mentu-dev", "context": {"cluster": "mentu-dev", "user": name}}],
        "current-context": "mentu-dev",
    }
    return json.dumps(content, indent=1)
