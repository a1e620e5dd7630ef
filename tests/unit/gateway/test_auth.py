"""What the cache in front of the token review keeps, for how long, and how many questions it lets through."""

import asyncio

import pytest
from tests.unit.gateway.builders import POD, KnownTokens

from bugcommand_operator.cluster.token_review import IdentityUnavailable, PodIdentity, Unauthenticated
from bugcommand_operator.gateway.auth import MAX_TOKEN, CachedAuthenticator


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def refused(auth: CachedAuthenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await auth.authenticate(token)
    return str(refusal.value)


async def test_a_good_answer_is_kept_for_a_minute() -> None:
    tokens, clock = KnownTokens(), Clock()
    auth = CachedAuthenticator(tokens, clock=clock)

    for clock.now in (0.0, 30.0, 59.9, 60.1):
        assert await auth.authenticate("good") == POD
    assert tokens.asked == ["good", "good"]


async def test_a_good_answer_that_has_expired_does_not_hide_a_fresh_bad_one() -> None:
    tokens, clock = KnownTokens(), Clock()
    auth = CachedAuthenticator(tokens, clock=clock)
    await auth.authenticate("good")
    del tokens.answers["good"]  # its pod is gone

    for clock.now in (61.0, 62.0, 63.0):
        await refused(auth, "good")
    assert tokens.asked == ["good", "good"], "the bad answer is kept for a moment"


async def test_a_bad_answer_is_kept_only_for_a_moment() -> None:
    tokens, clock = KnownTokens({}), Clock()
    auth = CachedAuthenticator(tokens, clock=clock)

    assert await refused(auth, "late") == await refused(auth, "late") == "unknown token"
    tokens.answers["late"] = POD
    clock.now = 5.1
    assert await auth.authenticate("late") == POD
    assert tokens.asked == ["late", "late"]


async def test_an_api_server_that_is_away_is_asked_again_each_time() -> None:
    tokens = KnownTokens({"good": IdentityUnavailable("away")})
    auth = CachedAuthenticator(tokens)

    for _ in range(2):
        with pytest.raises(IdentityUnavailable):
            await auth.authenticate("good")
    tokens.answers["good"] = POD
    assert await auth.authenticate("good") == POD
    assert tokens.asked == ["good"] * 3


async def test_a_pod_that_is_known_goes_on_while_the_api_server_is_away() -> None:
    tokens = KnownTokens()
    auth = CachedAuthenticator(tokens)
    await auth.authenticate("good")
    tokens.answers["good"] = IdentityUnavailable("away")

    assert await auth.authenticate("good") == POD


async def test_made_up_tokens_do_not_push_out_those_in_use() -> None:
    tokens = KnownTokens()
    auth = CachedAuthenticator(tokens, size=10)
    await auth.authenticate("good")

    for number in range(50):
        await refused(auth, f"made up {number}")
    await auth.authenticate("good")
    assert tokens.asked.count("good") == 1
    assert len(auth._known._bad) == 10


async def test_the_memory_of_good_answers_is_bounded_too() -> None:
    auth = CachedAuthenticator(KnownTokens({f"pod {number}": POD for number in range(50)}), size=10)

    for number in range(50):
        await auth.authenticate(f"pod {number}")
    assert len(auth._known._good) == 10


async def test_a_token_beyond_all_measure_is_not_even_asked_about() -> None:
    tokens = KnownTokens()

    await refused(CachedAuthenticator(tokens), "x" * (MAX_TOKEN + 1))
    assert tokens.asked == []


class Slow:
    """Answers when told to, and remembers how many asked at the same time."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asking = self.most = self.asked = 0

    async def authenticate(self, token: str) -> PodIdentity:
        self.asked += 1
        self.asking += 1
        self.most = max(self.most, self.asking)
        await self.go.wait()
        self.asking -= 1
        return POD


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_many_requests_with_one_token_ask_once() -> None:
    slow = Slow()
    auth = CachedAuthenticator(slow)
    waiting = [asyncio.create_task(auth.authenticate("good")) for _ in range(100)]
    await turns()
    waiting[0].cancel()  # one that goes away does not take the answer with it
    slow.go.set()

    assert [await task for task in waiting[1:]] == [POD] * 99
    assert slow.asked == 1


async def test_one_addresss_made_up_tokens_leave_room_for_the_others() -> None:
    slow = Slow()
    auth = CachedAuthenticator(slow)
    flood = [asyncio.create_task(auth.authenticate(f"token {number}", "10.0.0.66")) for number in range(256)]
    await turns()
    known = asyncio.create_task(auth.authenticate("good", "10.0.0.7"))
    await turns()
    slow.go.set()

    assert await known == POD
    refusals = [answer for answer in await asyncio.gather(*flood, return_exceptions=True) if answer is not POD]
    assert len(refusals) == 256 - 4
    assert all(isinstance(refusal, IdentityUnavailable) for refusal in refusals)
    assert await auth.authenticate("one more", "10.0.0.66") == POD, "what is answered is given back"


async def test_only_a_few_questions_are_open_at_a_time_and_not_too_many_wait() -> None:
    slow = Slow()
    auth = CachedAuthenticator(slow)
    waiting = [asyncio.create_task(auth.authenticate(f"token {number}")) for number in range(300)]
    await turns()
    slow.go.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert slow.most == 16
    assert sum(isinstance(answer, IdentityUnavailable) for answer in answers) == 300 - 256
