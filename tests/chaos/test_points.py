"""The executor dies at each write that it makes, and whoever goes on after it ends the command well."""

from __future__ import annotations

import pytest
from dev.chaos.fates import KILLS, Fate
from dev.chaos.points import Point
from dev.chaos.sweep import bereaved, deaths, life, lives

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


@pytest.mark.parametrize("script", ["a fix", "an overloaded model"])
@pytest.mark.parametrize("died_after", ["status:claim", "status:Running", "status:Publishing"])
async def test_an_executor_that_takes_over_from_a_dead_one_may_itself_die_at_any_write(
    script: str, died_after: str
) -> None:
    alone = await bereaved(script).run()
    died = next(n for n, point in enumerate(alone.writes) if died_after in str(point))
    whole = await bereaved(script, {died: Fate.KILLED_AFTER}).run()
    assert whole.history.takeovers == 1
    for number in range(died + 1, len(whole.writes)):
        for fate in sorted(KILLS):
            schedule = bereaved(script, {died: Fate.KILLED_AFTER, number: fate})
            try:
                await schedule.run()
            except Exception as error:
                raise AssertionError("\n".join([str(fate), str(error), *schedule.history.told])) from error
            assert schedule.history.takeovers == 1


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
        "create Executor/other",
        "create Lease/other",
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
        "patch Lease/spec.holderIdentity+spec.leaseDurationSeconds+spec.renewTime",
        "patch PersistentVolumeClaim/worktree+metadata.ownerReferences",
        "patch Pod/agent+spec.schedulingGates",
    }
    assert all(Point(*text.split(" ", 1)).writes for text in seen)
