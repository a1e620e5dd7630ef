"""Who a reader is, what they may read, and how seldom the API server is asked."""

from dataclasses import dataclass, field

import pytest
from starlette.requests import HTTPConnection

from bugcommand_operator.cluster.token_review import IdentityUnavailable, KubernetesUser, Unauthenticated
from bugcommand_operator.gateway.readers import Reader, Readers, token_of
from bugcommand_operator.gateway.remembered import Remembered

JANE = KubernetesUser("jane", groups=("dev",))
CI = Reader("ci", frozenset({"team-a"}), frozenset({"shop"}))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Outside:
    """The file of proxy tokens and the API server in one."""

    rights: set[tuple[str, str, str]] = field(default_factory=lambda: {("jane", "get", "team-a")})
    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def find(self, token: str) -> Reader | None:
        return CI if token == "proxy" else None

    async def user_of(self, token: str) -> KubernetesUser:
        self.asked.append(f"who is {token}")
        if self.away:
            raise IdentityUnavailable("away")
        if token != "jane's":
            raise Unauthenticated("unknown")
        return JANE

    async def may(self, user: KubernetesUser, verb: str, namespace: str) -> bool:
        self.asked.append(f"may {user.name} {verb} {namespace}")
        if self.away:
            raise IdentityUnavailable("away")
        return (user.name, verb, namespace) in self.rights


def readers_over(outside: Outside, clock: Clock, namespaces: tuple[str, ...] = ()) -> Readers:
    return Readers(
        outside,
        outside,
        outside,
        namespaces=namespaces,
        known_users=Remembered(clock=clock),
        known_access=Remembered(is_good=bool, clock=clock),
    )


async def test_a_proxy_token_reads_its_repositories_in_its_namespace_and_asks_nobody() -> None:
    outside = Outside()
    readers = readers_over(outside, Clock())
    reader = await readers.identify("proxy")

    assert await readers.may_read(reader, "team-a", "shop")
    assert not await readers.may_read(reader, "team-a", "other")
    assert not await readers.may_read(reader, "team-b", "shop")
    assert outside.asked == []


async def test_a_person_reads_where_they_may_get_bugcommands() -> None:
    outside = Outside()
    readers = readers_over(outside, Clock())
    reader = await readers.identify("jane's")

    assert await readers.may_read(reader, "team-a", "any")
    assert not await readers.may_read(reader, "team-b", "any")
    assert not await readers.may(reader, "create", "team-a", "any"), "another right, another answer"


async def test_rights_are_kept_for_a_minute_and_their_absence_for_a_moment() -> None:
    outside, clock = Outside(), Clock()
    readers = readers_over(outside, clock)
    reader = await readers.identify("jane's")
    outside.asked.clear()

    for clock.now in (0.0, 59.0, 61.0):
        assert await readers.may_read(reader, "team-a", "shop")
    assert outside.asked == ["may jane get team-a"] * 2
    outside.asked.clear()

    for clock.now in (100.0, 104.0):
        assert not await readers.may_read(reader, "team-b", "shop")
    outside.rights.add(("jane", "get", "team-b"))
    clock.now = 105.1
    assert await readers.may_read(reader, "team-b", "shop")
    assert outside.asked == ["may jane get team-b"] * 2


async def test_a_right_that_was_taken_away_is_missed_within_a_minute() -> None:
    outside, clock = Outside(), Clock()
    readers = readers_over(outside, clock)
    reader = await readers.identify("jane's")
    assert await readers.may_read(reader, "team-a", "shop")

    outside.rights.clear()
    clock.now = 60.1
    assert not await readers.may_read(reader, "team-a", "shop")


async def test_outside_the_installations_namespaces_nothing_is_read_or_asked() -> None:
    outside = Outside(rights={("jane", "get", "team-b")})
    readers = readers_over(outside, Clock(), namespaces=("team-a",))
    reader = await readers.identify("jane's")
    outside.asked.clear()

    assert not await readers.may_read(reader, "team-b", "shop")
    assert outside.asked == []


async def test_an_api_server_that_is_away_is_no_answer() -> None:
    outside = Outside()
    readers = readers_over(outside, Clock())
    reader = await readers.identify("jane's")
    outside.away = True

    with pytest.raises(IdentityUnavailable):
        await readers.may_read(reader, "team-a", "shop")
    with pytest.raises(IdentityUnavailable):
        await readers.identify("somebody else's")


async def test_a_reader_that_is_bound_to_nothing_and_known_to_nobody_reads_nothing() -> None:
    assert not await readers_over(Outside(), Clock()).may_read(Reader("nobody", None, None), "team-a", "shop")


@pytest.mark.parametrize("token", ["", "x" * (16 * 1024 + 1)])
async def test_no_token_and_a_monstrous_one_are_refused_unasked(token: str) -> None:
    outside = Outside()
    with pytest.raises(Unauthenticated):
        await readers_over(outside, Clock()).identify(token)
    assert outside.asked == []


@pytest.mark.parametrize(
    ("kind", "headers", "query", "token"),
    [
        ("http", {"authorization": "Bearer one", "apikey": "two"}, "", "one"),
        ("http", {"authorization": "Basic b25l", "apikey": "two"}, "", "two"),
        ("http", {"x-proxy-token": "three"}, "", "three"),
        ("http", {}, "apikey=four", ""),
        ("websocket", {}, "apikey=four", "four"),
        ("websocket", {"apikey": "two"}, "apikey=four", "two"),
    ],
)
def test_where_a_token_is_looked_for(kind: str, headers: dict[str, str], query: str, token: str) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "headers": pairs, "query_string": query.encode(), "path": "/"}
    assert token_of(HTTPConnection(scope)) == token
