"""Images: make one from a single static program, and bring a tar file into our containerd once."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dev.cluster.layout import Layout
from dev.cluster.say import ClusterError, say

_OCI = "application/vnd.oci.image"
_MANAGED = "io.cri-containerd.image=managed"


def _add(tar: tarfile.TarFile, name: str, data: IO[bytes], size: int, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    tar.addfile(info, data)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _layer(program: Path, path: Path) -> dict[str, Any]:
    with tarfile.open(path, "w") as tar, program.open("rb") as file:
        _add(tar, program.name, file, program.stat().st_size, 0o755)
    return {"mediaType": f"{_OCI}.layer.v1.tar", "digest": f"sha256:{_digest(path)}", "size": path.stat().st_size}


def from_program(program: Path, name: str, target: Path) -> None:
    """An OCI archive whose one layer holds the program, and whose entry point it is."""
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: object) -> dict[str, Any]:
        raw = json.dumps(content, sort_keys=True).encode()
        digest = hashlib.sha256(raw).hexdigest()
        blobs[digest] = raw
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}

    scratch = target.with_suffix(".layer")
    layer = _layer(program, scratch)
    entry = {"Entrypoint": [f"/{program.name}"], "User": "65534:65534"}
    root = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = blob(f"{_OCI}.config.v1+json", {"architecture": _arch(), "os": "linux", "config": entry, "rootfs": root})
    manifest_type = f"{_OCI}.manifest.v1+json"
    manifest = blob(
        manifest_type, {"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer]}
    )
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    files = {f"blobs/sha256/{digest}": raw for digest, raw in blobs.items()}
    files["oci-layout"] = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
    with tarfile.open(target, "w") as tar:
        for file, raw in files.items():
            _add(tar, file, io.BytesIO(raw), len(raw))
        with scratch.open("rb") as data:
            _add(tar, f"blobs/sha256/{layer['digest'][7:]}", data, layer["size"])
    scratch.unlink()


def _arch() -> str:
    done = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Named:
    name: str
    content: str


def contents(archive: Path) -> list[Named]:
    """The images in a docker or OCI archive, each with what tells its content from another's."""
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
        if "manifest.json" in names:
            entries = json.load(_open(tar, "manifest.json"))
            return [Named(tag, entry["Config"]) for entry in entries for tag in entry.get("RepoTags") or []]
        if "index.json" in names:
            manifests = json.load(_open(tar, "index.json"))["manifests"]
            return [Named(_name(entry), entry["digest"]) for entry in manifests]
    raise ClusterError(f"{archive} is neither a docker nor an OCI archive")


def _open(tar: tarfile.TarFile, member: str) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise ClusterError(f"{member} in the archive is not a file")
    return file


def _name(entry: dict[str, Any]) -> str:
    notes = entry.get("annotations", {})
    name = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name")
    if not name:
        raise ClusterError("the archive's image has no name; write the archive with a full name:tag")
    return str(name)


def _ctr(layout: Layout, *arguments: str) -> str:
    command = ["ctr", "--address", str(layout.socket), "--namespace", "k8s.io", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise ClusterError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _known(layout: Layout) -> set[str]:
    """The names that the kubelet's side of containerd knows: it notices an import a moment later."""
    lines = _ctr(layout, "images", "list").splitlines()[1:]
    return {line.split()[0] for line in lines if _MANAGED in line}


def _canonical(name: str) -> str:
    """As containerd writes a name down: with its registry."""
    first, _, rest = name.partition("/")
    if rest and (first == "localhost" or re.search(r"[.:]", first)):
        return name
    return f"docker.io/{name}" if rest else f"docker.io/library/{name}"


def _stamp(layout: Layout, image: Named) -> Path:
    return layout.images / (re.sub(r"[^A-Za-z0-9.-]", "_", _canonical(image.name)) + ".loaded")


def load(layout: Layout, archive: Path) -> None:
    """Import unless containerd has the very same content under the same name."""
    images = contents(archive)
    known = _known(layout)
    names = {_canonical(image.name) for image in images}
    layout.images.mkdir(parents=True, exist_ok=True)
    stamps = {_stamp(layout, image): image.content for image in images}
    if names <= known and all(stamp.exists() and stamp.read_text() == text for stamp, text in stamps.items()):
        return
    for stamp in stamps:
        stamp.unlink(missing_ok=True)
    _ctr(layout, "images", "import", str(archive))
    _wait_known(layout, names)
    for stamp, text in stamps.items():
        stamp.write_text(text)
    say(f"image {', '.join(sorted(names))} loaded")


def _wait_known(layout: Layout, names: set[str], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not names <= _known(layout):
        if time.monotonic() > deadline:
            raise ClusterError(f"containerd took the archive but shows no image {', '.join(sorted(names))}")
        time.sleep(0.05)


def load_program(layout: Layout, program: Path, name: str) -> None:
    """The image of one of our own programs, made again only when the program changed."""
    layout.images.mkdir(parents=True, exist_ok=True)
    archive = layout.images / f"{program.name}.tar"
    if not archive.exists() or archive.stat().st_mtime < program.stat().st_mtime:
        from_program(program, name, archive)
    load(layout, archive)
