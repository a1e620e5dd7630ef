"""Which commands of a list are meant, by what the server cannot select by. Pure."""

from dataclasses import dataclass

from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.facts import Object


@dataclass(frozen=True)
class Filter:
    phases: frozenset[str] = frozenset()
    unfinished: bool = False
    repository: str = ""
    agent: str = ""

    def matches(self, phase: str, repository: str, agent: str) -> bool:
        return (
            (not self.phases or phase in self.phases)
            and (not self.unfinished or phase not in facts.FINISHED)
            and self.repository in ("", repository)
            and self.agent in ("", agent)
        )

    def takes(self, command: Object) -> bool:
        repository = (facts.spec(command).get("repository") or {}).get("name") or ""
        agent = facts.status(command).get("agent") or facts.spec(command).get("agent") or ""
        return self.matches(facts.phase(command), str(repository), str(agent))
