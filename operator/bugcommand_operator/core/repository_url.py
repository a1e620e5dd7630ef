"""Which repository addresses are safe to hand to git, decided without looking anything up.

Allowed is `https://host[:port]/path`, and `http://` for repositories that need no credential. The rules are
an allow-list of characters and shapes, so that what git, curl and this module read from an address is the
same thing. Names are not resolved here: that a name does not lead to a metadata service is the network's
business (egress policy), and redirects are off.
"""

from bugcommand_operator.core.light_typing import NamedTuple

MAX_LENGTH = 2048
PATTERN = r"^https?://[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*/[A-Za-z0-9._~!$&'()*+,;=:@%/-]+$"

_PATH_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@%/")
_HOST_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
_HEX = frozenset("0123456789abcdefABCDEF")
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA_ADDRESSES = frozenset({"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"})


class RepositoryURL(NamedTuple):
    scheme: str
    host: str
    port: str
    path: str

    @property
    def origin(self) -> str:
        """What a credential is bound to."""
        authority = f"{self.host}:{self.port}" if self.port else self.host
        return f"{self.scheme}://{authority}"


class URLProblem(NamedTuple):
    message: str


def parse_repository_url(
    url: str, *, has_credential: bool = False, allow_file: bool = False
) -> RepositoryURL | URLProblem:
    """The parts of a safe address, or what is wrong with it."""
    if len(url) > MAX_LENGTH:
        return URLProblem(f"the address is longer than {MAX_LENGTH} characters")
    scheme, separator, rest = url.partition("://")
    if allow_file and scheme == "file" and separator:
        return _parse_file(rest)
    if scheme not in ("https", "http") or not separator:
        return URLProblem("the address must start with https:// (or http:// without a credential)")
    if scheme == "http" and has_credential:
        return URLProblem("a credential is only sent over https://")
    authority, slash, path = rest.partition("/")
    problem = _path_problem(slash + path) or _authority_problem(authority)
    if problem:
        return URLProblem(problem)
    host, port = _split_authority(authority)
    return RepositoryURL(scheme, host.lower(), port, slash + path)


def url_problem(url: str, *, has_credential: bool = False, allow_file: bool = False) -> str:
    """An empty string for a safe address, else one line that says what is wrong."""
    parsed = parse_repository_url(url, has_credential=has_credential, allow_file=allow_file)
    return parsed.message if isinstance(parsed, URLProblem) else ""


def _parse_file(path: str) -> RepositoryURL | URLProblem:
    problem = _path_problem(path)
    return URLProblem(problem) if problem else RepositoryURL("file", "", "", path)


def _path_problem(path: str) -> str:
    if path in ("", "/") or not path.startswith("/"):
        return "the address names no repository after its host"
    if not set(path) <= _PATH_CHARACTERS:
        return "the path has characters that do not belong in an address"
    escapes = path.split("%")[1:]
    if any(len(escape) < 2 or not set(escape[:2]) <= _HEX for escape in escapes):
        return "the path has a broken percent escape"
    decoded = [int(escape[:2], 16) for escape in escapes]
    if any(code < 0x20 or code in (0x7F, 0x2F, 0x5C) for code in decoded):
        return "the path hides a control character or a slash in a percent escape"
    segments = path.lower().replace("%2e", ".").split("/")
    if any(segment in (".", "..") or segment.startswith("-") for segment in segments):
        return "the path has a segment that is '.', '..' or starts with '-'"
    return ""


def _authority_problem(authority: str) -> str:
    if "@" in authority:
        return "credentials do not belong in the address; use a Secret"
    host, port = _split_authority(authority)
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return "the port is not a number between 1 and 65535"
    if authority.endswith(":"):
        return "the address has a colon without a port"
    if not host:
        return "the address has no host"
    return _ipv6_problem(host) if host.startswith("[") else _host_problem(host)


def _split_authority(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, _, port = authority.rpartition("]")
        return (f"{host}]", port.removeprefix(":")) if host else (authority, "")
    host, _, port = authority.partition(":")
    return host, port


def _host_problem(host: str) -> str:
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if not set(name) <= _HOST_CHARACTERS or not all(labels) or len(name) > 253:
        return "the host is not a name or an address"
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return "a part of the host starts or ends with '-'"
    if name in _METADATA_NAMES:
        return "the host is a metadata service"
    # What ends in a number is an IPv4 address to curl: decimal, octal and hexadecimal forms included.
    last = labels[-1]
    if last.isdigit() or (last.startswith("0x") and set(last[2:]) <= _HEX):
        return _ipv4_problem(labels)
    return ""


def _ipv4_problem(labels: list[str]) -> str:
    plain = all(label.isdigit() and str(int(label[:4])) == label and int(label) < 256 for label in labels)
    if len(labels) != 4 or not plain:
        return "an IPv4 address must be written as four plain decimal numbers"
    address = ".".join(labels)
    if labels[:2] == ["169", "254"] or labels[0] == "0" or address in _METADATA_ADDRESSES:
        return "the host is a link-local or metadata address"
    return ""


def _ipv6_problem(host: str) -> str:
    from ipaddress import IPv6Address  # only needed here, and not cheap to load

    try:
        address = IPv6Address(host[1:-1])
    except ValueError:
        return "the host is not a valid IPv6 address"
    if address.scope_id or not host.endswith("]"):
        return "the host is not a valid IPv6 address"
    if address.is_link_local or str(address) in _METADATA_ADDRESSES:
        return "the host is a link-local or metadata address"
    if int(address) >> 32 == 0 and int(address) == 1:
        return ""
    # ::ffff:a.b.c.d, ::a.b.c.d, 64:ff9b::a.b.c.d and 2002:: carry an IPv4 address: only its own form is accepted.
    carries_ipv4 = address.ipv4_mapped or address.sixtofour or address.teredo or int(address) >> 32 == 0
    if carries_ipv4 or int(address) >> 96 == 0x0064FF9B:
        return "write an IPv4 address in its own form, not inside an IPv6 address"
    return ""
