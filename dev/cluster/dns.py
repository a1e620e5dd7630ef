"""Asks the cluster's name server one question, from the node: the whole way by Service and pod network."""

import socket
import struct

from dev.cluster.layout import DNS_IP

_ID = 0x6D65
_RECURSION_DESIRED = 0x0100
_ANSWERED = 0x8000
_ERROR = 0x000F


def question(name: str) -> bytes:
    """A query for the name's IPv4 address."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", _ID, _RECURSION_DESIRED, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def is_answer(packet: bytes) -> bool:
    if len(packet) < 12:
        return False
    ident, flags, _, answers = struct.unpack(">4H", packet[:8])
    return bool(ident == _ID and flags & _ANSWERED and not flags & _ERROR and answers)


def answers(name: str, seconds: float = 0.3) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(seconds)
        try:
            client.sendto(question(name), (DNS_IP, 53))
            return is_answer(client.recv(512))
        except OSError:
            return False
