"""Where everything of the cluster is: one folder, one runtime folder, fixed addresses. No I/O."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

NODE = "mentu-dev"
BRIDGE = "mentu0"
CNI_NETWORK = "mentu-dev"
CGROUP = "mentu-dev"
POD_RANGE = "10.244.0.0/22"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
API_PORT = 6443
PORTS = (2379, 2380, API_PORT, 10248, 10250, 10256, 10257, 10259)

PAUSE_IMAGE = "localhost/mentu-dev/pause:1"
DNS_IMAGE = "localhost/mentu-dev/coredns:1"

# One cluster a machine: the ports are fixed. What is here does not outlive a boot.
RUNTIME = Path("/run/mentu-dev-cluster")


@dataclass(frozen=True)
class Layout:
    """The paths below the cluster's folder, and the machine's address that pods reach it by."""

    folder: Path
    node_ip: str = "127.0.0.1"
    fsync: bool = True

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def conf(self) -> Path:
        return self.folder / "conf"

    @property
    def records(self) -> Path:
        return self.folder / "run"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def volumes(self) -> Path:
        return self.folder / "volumes"

    @property
    def containerd(self) -> Path:
        return self.folder / "ctd"

    @property
    def socket(self) -> Path:
        return self.containerd / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        return self.folder / "kubelet"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{API_PORT}"
