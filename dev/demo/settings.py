"""What the demo is told by its environment, and how long each part of it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OWN_KUBECONFIG = ROOT / ".cluster" / "kubeconfig"
CHART = ROOT / "helm" / "mentu-operator"


@dataclass(frozen=True)
class Settings:
    kubeconfig: str
    namespace: str = "mentu-demo"
    operator_namespace: str = "mentu-system"
    release: str = "mentu"
    image_prefix: str = "localhost/"
    image_tag: str = "dev"
    api_key: str = field(default="", repr=False)
    base_url: str = ""

    @property
    def own_cluster(self) -> bool:
        """Whether this is the development cluster of `make cluster`, and nobody else's."""
        return Path(self.kubeconfig).absolute() == OWN_KUBECONFIG

    @property
    def replay(self) -> bool:
        """Without a key the model's answers come from a scenario."""
        return not self.api_key

    @property
    def agent(self) -> str:
        return "claude-replay" if self.replay else "claude"

    def image(self, name: str) -> str:
        return f"{self.image_prefix}{name}:{self.image_tag}"


@dataclass(frozen=True)
class Deadlines:
    """Seconds. Long enough for a slow machine, short enough that a person learns soon what does not work."""

    call: float = 30
    clean: float = 180
    install: float = 300
    deploy: float = 180
    push: float = 60
    test_pod: float = 180
    claim: float = 60
    command: float = 900
    paid_command: float = 2400


def from_environment(environment: Mapping[str, str]) -> Settings:
    return Settings(
        kubeconfig=environment.get("KUBECONFIG") or str(OWN_KUBECONFIG),
        namespace=environment.get("DEMO_NAMESPACE") or "mentu-demo",
        image_prefix=environment.get("IMAGE_PREFIX") or "localhost/",
        image_tag=environment.get("IMAGE_TAG") or "dev",
        api_key=environment.get("ANTHROPIC_API_KEY", "").strip(),
        base_url=environment.get("ANTHROPIC_BASE_URL", "").strip() if environment.get("ANTHROPIC_API_KEY") else "",
    )
