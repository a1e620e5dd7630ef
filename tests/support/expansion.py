"""What the kubelet makes of `$(NAME)` in a container's environment: `$$` is a dollar, a known name its value."""

from __future__ import annotations


def expanded(text: str, known: dict[str, str]) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        rest = text[at + 1 :]
        if text[at] != "$" or not rest:
            out.append(text[at])
            at += 1
        elif rest[0] == "$":
            out.append("$")
            at += 2
        elif rest[0] == "(" and ")" in rest:
            name = rest[1 : rest.index(")")]
            out.append(known.get(name, f"$({name})"))
            at += 3 + len(name)
        else:
            out.append("$" + rest[0])
            at += 2
    return "".join(out)
