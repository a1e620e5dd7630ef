"""Objects as programs take them: JSON or YAML, one alone or a List, written part by part."""

import sys
from collections.abc import Iterable
from typing import Any

from bugcommand_operator.cli.safe_text import json_text

Object = dict[str, Any]


def print_object(value: Object, form: str) -> None:
    sys.stdout.write(yaml_text(value) if form == "yaml" else f"{json_text(value, 4)}\n")
    sys.stdout.flush()


def print_list(items: Iterable[Object], form: str) -> None:
    """As `kubectl get` prints a List, without ever holding all of it."""
    (_yaml_list if form == "yaml" else _json_list)(items)
    sys.stdout.flush()


def yaml_text(value: object) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, default_flow_style=False, sort_keys=False, allow_unicode=False)
    return text


def _json_list(items: Iterable[Object]) -> None:
    sys.stdout.write('{\n    "apiVersion": "v1",\n    "kind": "List",\n    "items": [')
    between = "\n"
    for item in items:
        sys.stdout.write(between + _indented(json_text(without_managed_fields(item), 4), " " * 8))
        between = ",\n"
    sys.stdout.write("\n    ]\n}\n" if between == ",\n" else "]\n}\n")


def _yaml_list(items: Iterable[Object]) -> None:
    sys.stdout.write("apiVersion: v1\nkind: List\nitems:")
    empty = True
    for item in items:
        sys.stdout.write("\n" + yaml_text([without_managed_fields(item)]).rstrip("\n"))
        empty = False
    sys.stdout.write(" []\n" if empty else "\n")


def without_managed_fields(value: Object) -> Object:
    """Who set which field is long, and of no use to a reader; kubectl leaves it out too."""
    metadata = {key: each for key, each in (value.get("metadata") or {}).items() if key != "managedFields"}
    return {**value, "metadata": metadata}


def _indented(text: str, by: str) -> str:
    return "\n".join(by + line for line in text.split("\n"))


def parsed_documents(text: str) -> list[Any]:
    """YAML, of which JSON is a part. Raises ValueError that says where it is wrong."""
    import yaml

    try:
        return [each for each in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if each]
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
