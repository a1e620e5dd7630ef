"""The `restricted` profile of the Pod Security Standards, told as what is wrong with a pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Raw = dict[str, Any]
VOLUME_TYPES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SAFE_SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"}
PROFILES = {"RuntimeDefault", "Localhost"}
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def problems(pod: Raw) -> list[str]:
    spec = pod["spec"]
    found = [*_of_the_pod(pod)]
    for container in (*spec.get("initContainers", []), *spec["containers"], *spec.get("ephemeralContainers", [])):
        found += [
            f"{container['name']}: {what}" for what in _of_a_container(container, spec.get("securityContext") or {})
        ]
    return found


def _of_the_pod(pod: Raw) -> Iterator[str]:
    spec = pod["spec"]
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field
    for volume in spec.get("volumes", []):
        if kinds := set(volume) - {"name"} - VOLUME_TYPES:
            yield f"volume {volume['name']} of kind {kinds}"
    security = spec.get("securityContext") or {}
    for sysctl in security.get("sysctls", []):
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    if "windowsOptions" in security or "seLinuxOptions" in security:
        yield "options for another platform"
    for key, value in (pod["metadata"].get("annotations") or {}).items():
        if key.startswith(APPARMOR) and value != "runtime/default" and not value.startswith("localhost/"):
            yield f"AppArmor profile {value}"


def _of_a_container(container: Raw, of_pod: Raw) -> Iterator[str]:
    own = container.get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    seccomp = own.get("seccompProfile") or of_pod.get("seccompProfile") or {}
    wrong = {
        "privileged": own.get("privileged"),
        "may escalate": own.get("allowPrivilegeEscalation") is not False,
        "does not drop ALL": "ALL" not in capabilities.get("drop", []),
        "adds capabilities": set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"},
        "may run as root": own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True,
        "runs as root": own.get("runAsUser", of_pod.get("runAsUser")) == 0,
        "no seccomp profile": seccomp.get("type") not in PROFILES,
        "procMount": own.get("procMount", "Default") != "Default",
        "host port": any(port.get("hostPort") for port in container.get("ports", [])),
    }
    yield from (name for name, is_so in wrong.items() if is_so)
    yield from _of_the_probes(container)


def _of_the_probes(container: Raw) -> Iterator[str]:
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for how in ("httpGet", "tcpSocket"):
            if ((container.get(probe) or {}).get(how) or {}).get("host"):
                yield f"{probe} of another host"
