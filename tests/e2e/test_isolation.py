"""What an agent can reach and see, and what it cannot."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.support.cluster import EXECUTOR, Lab
from tests.support.cluster_bug import Bug, message_of, reason_of
from tests.support.cluster_objects import (
    NAMESPACE,
    RELEASE,
    SERVERS,
    SYSTEM,
    Raw,
    bug,
    mentu,
    repository,
    secret,
    shell_agent,
)

HELD = "echo ready; until [ -e /tmp/go ]; do sleep 0.2; done"
WRONG = "a-wrong-token-that-nobody-should-see"
KEY = "sk-ant-api03-a-key-that-only-the-agent-may-see-0123456789"


@pytest.fixture(scope="module")
def agent(lab: Lab) -> Bug:
    """An agent that waits, for tests that look around in its container."""
    lab.apply(
        secret("isolated-key", **{"api-key": KEY}),
        mentu(
            "Repository",
            "isolated",
            {
                "url": f"https://git.{SERVERS}.svc/private/pricing.git",
                "credentialsSecret": {"name": "git-token"},
                "caBundle": lab.access.certificate,
                "mirror": {"size": "1Gi"},
            },
        ),
        mentu(
            "Agent",
            "isolated",
            {
                "command": ["bash", "-c", HELD],
                "transcript": "Plain",
                "credential": {"secretName": "isolated-key", "key": "api-key", "env": "ANTHROPIC_API_KEY"},
            },
        ),
    )
    made = lab.run(bug("isolated", "x", agent="isolated", repository={"name": "isolated"}, timeoutSeconds=600))
    made.running()
    made.prints("ready")
    return made


def reachable(made: Bug, host: str, port: int) -> bool:
    script = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null && echo open || echo closed"
    return made.inside(script).strip() == "open"


def test_an_agent_reaches_the_gateway_and_what_the_installation_allows(agent: Bug) -> None:
    assert reachable(agent, f"{RELEASE}-gateway.{SYSTEM}.svc", 80)
    assert reachable(agent, f"replay.{SERVERS}.svc", 8787)
    assert reachable(agent, f"git.{SERVERS}.svc", 443)
    assert reachable(agent, f"web.{SERVERS}.svc", 8000)


def test_an_agent_reaches_neither_the_api_server_nor_other_pods(lab: Lab, agent: Bug) -> None:
    slices = lab.kubectl.run("get", "endpointslices", "kubernetes", "-o", "json", namespace="default")
    endpoint = json.loads(slices)
    host, port = endpoint["endpoints"][0]["addresses"][0], endpoint["ports"][0]["port"]
    executor = (lab.system.get("pod", EXECUTOR) or {})["status"]["podIP"]
    for address in (
        ("kubernetes.default.svc", 443),
        (host, port),
        (host, 10250),
        (f"web.{SERVERS}.svc", 8001),
        (executor, 9090),
        (executor, 8081),
        ("169.254.169.254", 80),
    ):
        assert not reachable(agent, *address), address


def test_no_pod_reaches_into_an_agents_pod(lab: Lab, agent: Bug) -> None:
    listening = "python3 -m http.server 8123 --bind 0.0.0.0 >/dev/null 2>&1 & sleep 0; for i in $(seq 50); do "
    listening += "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8123' 2>/dev/null && break; sleep 0.1; done; echo listens"
    address = agent.pods()[agent.agent_pod]["status"]["podIP"]
    assert agent.inside(listening).strip() == "listens"
    probe = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/8123' && echo open || echo closed"
    assert lab.servers.run("exec", "deployment/git", "--", "bash", "-c", probe).strip() == "closed"


def test_the_token_in_an_agents_pod_is_refused_by_the_api_server(lab: Lab, agent: Bug) -> None:
    assert agent.inside("ls /var/run/secrets").split() == ["mentu"]
    token = agent.inside("cat /var/run/secrets/mentu/token").strip()
    config = json.loads(lab.kubectl.run("config", "view", "--raw", "--minify", "-o", "json"))
    server = config["clusters"][0]["cluster"]["server"]
    done = subprocess.run(
        [
            "kubectl",
            "--kubeconfig=/dev/null",
            f"--server={server}",
            "--insecure-skip-tls-verify",
            f"--token={token}",
            "get",
            "--raw",
            f"/api/v1/namespaces/{NAMESPACE}/pods",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=lab.kubectl.env,
    )
    assert done.returncode != 0
    assert "Unauthorized" in done.stderr or "provide credentials" in done.stderr


def test_an_agents_container_is_confined(agent: Bug) -> None:
    assert agent.inside("id -u").strip() == "1000"
    assert "CapEff:\t0000000000000000" in agent.inside("cat /proc/self/status")
    assert "NoNewPrivs:\t1" in agent.inside("cat /proc/self/status")
    for path in ("/etc/x", "/usr/bin/x", "/mentu/x", "/mirror/x"):
        assert agent.inside(f"touch {path} 2>/dev/null && echo written || echo refused").strip() == "refused", path


def test_an_agent_can_read_the_mirror_and_cannot_lock_it(agent: Bug) -> None:
    assert agent.inside("ls /mirror").split() == ["repo.git"]
    assert agent.inside("cd /workspace/repo/.worktrees/* && git cat-file -t HEAD").strip() == "commit"


def test_an_agent_has_its_models_key_and_not_the_git_token(lab: Lab, agent: Bug) -> None:
    environment = agent.inside("cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert f"ANTHROPIC_API_KEY={KEY}" in environment
    assert lab.access.token not in environment
    assert agent.inside("ls /credentials 2>&1 || true").strip().endswith("No such file or directory")
    found = agent.inside(f"grep -rlF -e '{lab.access.token}' /workspace /mirror /mentu /tmp 2>/dev/null; echo done")
    assert found.split() == ["done"]


@pytest.fixture(scope="module")
def others(lab: Lab) -> dict[str, Bug]:
    """Commands that need nobody to hold them: all at once."""
    prints = "echo key=$ANTHROPIC_API_KEY; echo $ANTHROPIC_API_KEY | base64 -w0; echo"
    credential = {"secretName": "printed-key", "key": "api-key", "env": "ANTHROPIC_API_KEY"}
    private = {"url": f"https://git.{SERVERS}.svc/private/pricing.git", "caBundle": lab.access.certificate}
    lab.apply(
        secret("printed-key", **{"api-key": KEY}),
        shell_agent("prints", credential=credential),
        secret("wrong-token", password=WRONG),
        mentu("Repository", "wrong-token", {**private, "credentialsSecret": {"name": "wrong-token"}}),
    )
    twin = "echo $MENTU_COMMITMENT_ID > mine.txt; git stash list; git branch -a; ls /workspace/repo/.worktrees; "
    twin += f"{HELD}; git add mine.txt; git commit -qm mine"
    wanted = {
        "twin-1": bug("twin-1", twin, output="Branch"),
        "twin-2": bug("twin-2", twin, output="Branch"),
        "prints": bug("prints-key", prints, agent="prints"),
        "wrong": bug("wrong-token", "echo x", repository={"name": "wrong-token"}),
    }
    return {name: lab.run(command) for name, command in wanted.items()}


def test_a_models_key_that_an_agent_prints_is_not_in_the_log(lab: Lab, others: dict[str, Bug]) -> None:
    made = others["prints"]
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    printed = made.printed()
    stored = lab.stored_up_to(status["commandId"], len(printed))
    assert any("key=[redacted]" in line for line in printed)
    assert KEY[:20] not in str(printed) + str(stored) + str(made.object)


def test_a_wrong_token_is_refused_by_name_and_shown_nowhere(lab: Lab, others: dict[str, Bug]) -> None:
    made = others["wrong"]
    status = made.ended()
    assert reason_of(status) == ("Failed", "AuthenticationFailed"), message_of(status)
    assert "Secret" in message_of(status)
    logs = lab.kubectl.run("logs", made.agent_pod, "-c", "fetch")
    assert WRONG not in logs + str(made.object) + str(made.events("AuthenticationFailed")) + lab.executor_log()


def test_two_commands_with_one_prompt_in_one_repository_do_not_see_each_other(lab: Lab, others: dict[str, Bug]) -> None:
    both = [others["twin-1"], others["twin-2"]]
    for made in both:
        made.running()
        made.prints("ready")
    for made in both:
        made.inside("touch /tmp/go")
    ended = [made.ended() for made in both]
    for made, status, other in zip(both, ended, reversed(ended), strict=True):
        assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
        shown = lab.repositories.on_server("public/plain", "show", f"{status['branch']}:mine.txt")
        assert shown.strip() == status["commitmentId"]
        assert other["commitmentId"] not in "\n".join(made.printed())


def test_without_a_worktree_the_next_command_finds_what_the_last_one_left(lab: Lab) -> None:
    lab.apply(repository("checkout", "plain"))
    where: Raw = {"repository": {"name": "checkout"}, "withWorktree": False}
    first = lab.run(bug("checkout-1", f"pwd; ls -d .mentu; echo left > left.txt; {HELD}", **where))
    first.running()
    second = lab.run(bug("checkout-2", "pwd; cat left.txt", **where))
    second.waits("WaitingForCheckout")
    first.inside("touch /tmp/go")
    status = second.ended()
    assert reason_of(first.status) == ("Succeeded", "Completed")
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert {"/workspace/repo", ".mentu"} <= set(first.printed())
    assert {"/workspace/repo", "left"} <= set(second.printed())
    assert second.volumes() == {}, "the checkout is the Repository's"
    lab.kubectl.run("delete", "bugcommand", first.name, second.name, "--timeout=30s", timeout=40)
    assert lab.kubectl.get("persistentvolumeclaim", "checkout-checkout") is not None
