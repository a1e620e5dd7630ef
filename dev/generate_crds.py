"""Writes crds/ and the chart's copy from the pydantic models: `make crds`. `--check` only says if they differ."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from bugcommand_operator.api.crd import all_crds

TOP = Path(__file__).resolve().parent.parent
TARGETS = (TOP / "crds", TOP / "helm" / "mentu-operator" / "crd-files")


def rendered() -> dict[str, str]:
    return {name: yaml.safe_dump(crd, sort_keys=False, width=120) for name, crd in all_crds().items()}


def differing() -> list[Path]:
    wanted = {folder / name: text for folder in TARGETS for name, text in rendered().items()}
    stale = [path for folder in TARGETS for path in folder.glob("*.yaml") if path not in wanted]
    return stale + [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]


def write() -> None:
    for path in differing():
        text = rendered().get(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink() if text is None else path.write_text(text)


if __name__ == "__main__":
    if "--check" in sys.argv:
        stale = differing()
        print("\n".join(f"{path}: differs from the models, run `make crds`" for path in stale) or "crds/ is up to date")
        sys.exit(1 if stale else 0)
    write()
