"""The executor dies at each write that it makes, and whoever goes on after it ends the command well."""

from __future__ import annotations

import pytest
from dev.chaos.fates import Fate
from dev.chaos.points import Point
from dev.chaos.sweep import deaths, life, lives

LIVES = [pytest.param(*each, id=", ".join(map(str, each))) for each in lives()]


@pytest.mark.parametrize(("script", "deed", "seed"), LIVES)
async def test_a_process_killed_at_any_write_is_followed_by_one_that_ends_it_well(
    script: str, deed: str, seed: int
) -> None:
    whole = await life(script, deed, seed).run()
    for forced in deaths(len(whole.writes)):
        schedule = life(script, deed, seed, forced)
        try:
            await schedule.run()
        except Exception as error:
            raise AssertionError("\n".join([str(forced), str(error), *schedule.history.told])) from error


@pytest.mark.parametrize("fate", [Fate.LOST_ANSWER, Fate.LATE])
@pytest.mark.parametrize("script", ["a fix", "a push tried again", "lines left over"])
async def test_a_write_whose_answer_is_lost_is_found_done(script: str, fate: Fate) -> None:
    """Done before its sender gave up on it, or after."""
    whole = await life(script, "left in peace", 0).run()
    for number in range(len(whole.writes)):
        await life(script, "left in peace", 0, {number: fate}).run()


@pytest.mark.parametrize(("script", "deed", "seed"), LIVES)
async def test_every_write_may_be_denied_twice(script: str, deed: str, seed: int) -> None:
    schedule = await life(script, deed, seed, denied_each=2).run()

    denied = sum(count for (_, fate), count in schedule.points.items() if fate is Fate.DENIED)
    assert denied >= len(set(schedule.writes)), "each kind of write, and most of them twice"


async def test_the_points_are_what_the_executor_was_seen_to_write() -> None:
    seen: set[str] = set()
    for each in lives():
        seen |= {str(point) for point in (await life(*each).run()).writes}

    assert seen >= {
        "create Event",
        "create NetworkPolicy/other",
        "create PersistentVolumeClaim/mirror",
        "create PersistentVolumeClaim/worktree",
        "create Pod/agent",
        "create Pod/publish",
        "create Pod/rescue",
        "create Pod/ship",
        "delete BugCommand/other",
        "delete PersistentVolumeClaim/worktree",
        "delete Pod/agent",
        "delete Pod/rescue",
        "patch BugCommand/metadata.finalizers",
        "patch BugCommand/status:Running",
        "patch BugCommand/status:Succeeded",
        "patch BugCommand/status:claim",
        "patch PersistentVolumeClaim/worktree+metadata.ownerReferences",
        "patch Pod/agent+spec.schedulingGates",
    }
    assert all(Point(*text.split(" ", 1)).writes for text in seen)
