"""What holds of every pod, whatever the command, its Repository and its Agent say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import agent, claimed, command, repository
from tests.support.expansion import expanded
from tests.support.pod_security import problems
from tests.unit.manifests.strategies import INSTALLS, PROMPTS, TRAPS, agents, commands, repositories

from bugcommand_operator.api.agent import RESERVED_ENV, AgentSpec
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.agent_pod import agent_pod, state_folder
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import literal
from bugcommand_operator.manifests.publish_pod import publish_pod, rescue_pod
from bugcommand_operator.manifests.ship_pod import ship_pod
from bugcommand_operator.workspace.paths import Paths

Raw = dict[str, Any]
INSTALL = Install(operator_image="operator:1", agent_image="agent:1", intake_url="http://gateway")
PRIVATE = repository(credentialsSecret={"name": "git"})
KEYED = agent(credential={"secretName": "model"})


@st.composite
def pods(draw: st.DrawFn) -> list[Raw]:
    of, shop, who, install = draw(commands()), draw(repositories()), draw(agents()), draw(INSTALLS)
    return [
        agent_pod(of, shop, who, install),
        publish_pod(of, shop, install),
        rescue_pod(of, shop, install),
        ship_pod(of, install),
    ]


def containers(pod: Raw) -> list[Raw]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def mounted(container: Raw) -> dict[str, str]:
    return {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}


def writable(container: Raw) -> set[str]:
    return {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}


def environment(container: Raw) -> dict[str, Any]:
    """As the container gets it."""
    return {
        v["name"]: expanded(v["value"], {"MENTU_RUN": "LEAK", "HOME": "LEAK", "X": "LEAK"})
        if "value" in v
        else v["valueFrom"]
        for v in container["env"]
    }


def by_name(pod: Raw, name: str) -> Raw:
    return next(c for c in containers(pod) if c["name"] == name)


def secrets_of(container: Raw) -> set[str]:
    return {v["valueFrom"]["secretKeyRef"]["name"] for v in container["env"] if "valueFrom" in v}


def volume(pod: Raw, name: str) -> Raw:
    return next((v for v in pod["spec"]["volumes"] if v["name"] == name), {})


@given(pods())
def test_every_container_is_restricted_with_a_read_only_root(made: list[Raw]) -> None:
    for pod in made:
        assert problems(pod) == []
        assert all(c["securityContext"]["readOnlyRootFilesystem"] is True for c in containers(pod))
        assert pod["spec"]["restartPolicy"] == "Never"


@given(pods())
def test_an_agent_sees_the_mirrors_repository_and_not_the_lock_beside_it(made: list[Raw]) -> None:
    mounts = [m for m in by_name(made[0], "agent")["volumeMounts"] if m["name"] == "mirror"]
    borrowed = {"name": "mirror", "mountPath": Paths().mirror_repository, "subPath": "repo.git", "readOnly": True}
    assert mounts in ([], [borrowed])


@given(pods())
def test_every_other_container_has_the_mirror_at_the_path_that_agents_borrow_from(made: list[Raw]) -> None:
    mounts = [m for p in made for c in containers(p) if c["name"] != "agent" for m in c["volumeMounts"]]
    for found in (m for m in mounts if m["name"] == "mirror"):
        assert (found["mountPath"], found.get("subPath")) == (Paths().mirror, None)


@given(pods())
def test_no_container_with_the_git_credential_sees_what_an_agent_wrote(made: list[Raw]) -> None:
    for pod in made:
        for container in containers(pod):
            if "git" in secrets_of(container):
                assert "workspace" not in mounted(container)
                assert container["name"] in {"fetch", "publish"}
                assert container["image"] == "operator:1"


@given(pods())
def test_what_a_credentialed_container_leaves_behind_no_other_container_sees(made: list[Raw]) -> None:
    for pod in made:
        for holder in containers(pod):
            if "git" not in secrets_of(holder):
                continue
            others = [c for c in containers(pod) if c["name"] != holder["name"]]
            shared = writable(holder) & {name for c in others for name in mounted(c)}
            assert shared <= {"mirror"}


@given(pods())
def test_the_model_credential_is_in_the_agent_s_container_alone(made: list[Raw]) -> None:
    for pod in made:
        assert {c["name"] for c in containers(pod) if "model" in secrets_of(c)} <= {"agent"}
        assert all(secrets_of(c) <= {"model"} for c in containers(pod) if c["name"] == "agent")
        assert not any("envFrom" in c for c in containers(pod))
        assert not any("secret" in v for v in pod["spec"]["volumes"])


@given(pods())
def test_no_pod_has_a_token_for_the_api_server(made: list[Raw]) -> None:
    for pod in made:
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert "serviceAccountName" not in pod["spec"]
        assert pod["spec"]["enableServiceLinks"] is False
        for holder in pod["spec"]["volumes"]:
            for source in (holder.get("projected") or {}).get("sources", []):
                assert source["serviceAccountToken"]["audience"] == "mentu"
    assert volume(made[1], "token") == {}
    for pod in made:
        holders = [c["name"] for c in containers(pod) if "token" in mounted(c)]
        assert len(holders) == bool(volume(pod, "token"))
        assert holders in ([], ["agent"], ["ship"])


@given(pods())
def test_every_mount_has_its_volume_and_no_path_twice(made: list[Raw]) -> None:
    for pod in made:
        names = [v["name"] for v in pod["spec"]["volumes"]]
        assert len(names) == len(set(names))
        for container in containers(pod):
            assert set(mounted(container)) <= set(names)
            assert len(mounted(container)) == len(set(mounted(container).values())) == len(container["volumeMounts"])


@given(pods())
def test_every_name_and_label_is_one_that_the_api_server_takes(made: list[Raw]) -> None:
    for pod in made:
        assert len(pod["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in pod["metadata"]["labels"].values())
        names = [v["name"] for c in containers(pod) for v in c["env"]]
        assert names
        for container in containers(pod):
            own = [v["name"] for v in container["env"]]
            assert len(own) == len(set(own))


@given(pods())
def test_every_pod_is_json_and_made_the_same_each_time(made: list[Raw]) -> None:
    for pod in made:
        assert json.loads(json.dumps(pod)) == pod
        assert len(json.dumps(pod)) < 1_000_000


@given(commands(), repositories(), agents(), INSTALLS)
def test_the_same_command_gives_the_same_pods(
    of: Command, shop: RepositorySpec, who: AgentSpec, install: Install
) -> None:
    assert agent_pod(of, shop, who, install) == agent_pod(of, shop, who, install)
    assert rescue_pod(of, shop, install) == rescue_pod(of, shop, install)


@given(commands(), repositories(), agents(), INSTALLS)
def test_labels_and_owner_are_the_operator_s(
    of: Command, shop: RepositorySpec, who: AgentSpec, install: Install
) -> None:
    for pod, role in (
        (agent_pod(of, shop, who, install), "agent"),
        (publish_pod(of, shop, install), "publish"),
        (rescue_pod(of, shop, install), "rescue"),
        (ship_pod(of, install), "ship"),
    ):
        labels = pod["metadata"]["labels"]
        assert labels["mentu.dev/command-uid"] == of.uid
        assert labels["mentu.dev/role"] == role
        assert labels["mentu.dev/command-id"] == of.command_id
        assert labels["mentu.dev/attempt"] == str(of.attempt)
        assert labels["app.kubernetes.io/managed-by"] == "mentu-operator"
        owners = pod["metadata"].get("ownerReferences", [])
        assert [o["uid"] for o in owners] == ([] if role == "rescue" else [of.uid])
        assert all(o["controller"] and not o["blockOwnerDeletion"] for o in owners)


@given(commands(), repositories(), agents(), INSTALLS)
def test_the_agent_gets_prompt_and_request_as_they_are(
    of: Command, shop: RepositorySpec, who: AgentSpec, install: Install
) -> None:
    got = environment(by_name(agent_pod(of, shop, who, install), "agent"))
    run = json.loads(got["MENTU_RUN"])

    assert got["MENTU_PROMPT"] == of.spec.prompt
    assert (run["commandId"], run["attempt"], run["args"]) == (of.command_id, of.attempt, who.args)
    assert (got["HOME"], got["PYTHONPATH"]) == (run["home"], "/mentu/lib")
    if who.base_url:
        assert got["ANTHROPIC_BASE_URL"] == who.base_url or who.credential is not None
    for variable in who.env:
        if variable.name not in {*RESERVED_ENV, "ANTHROPIC_BASE_URL", who.credential.env if who.credential else ""}:
            assert got[variable.name] == variable.value
    workspace = environment(by_name(agent_pod(of, shop, who, install), "workspace"))
    assert workspace["MENTU_PROMPT"] == of.spec.prompt
    assert json.loads(workspace["MENTU_WORKSPACE"])["url"] == shop.url
    assert workspace["MENTU_CA_BUNDLE"] == "\n".join(filter(None, (install.ca_bundle, shop.ca_bundle)))


@given(PROMPTS | TRAPS)
def test_nothing_is_expanded_in_what_people_wrote(text: str) -> None:
    assert expanded(literal(text), {"MENTU_RUN": "LEAK", "HOME": "LEAK"}) == text


def made(of: Command | None = None, shop: RepositorySpec = PRIVATE, who: AgentSpec = KEYED) -> Raw:
    return agent_pod(of or command(claimed()), shop, who, INSTALL)


def test_a_private_repository_is_fetched_by_a_container_of_its_own() -> None:
    pod = made()

    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["fetch", "workspace"]
    assert by_name(pod, "fetch")["command"] == ["mentu-workspace", "fetch"]
    assert by_name(pod, "workspace")["command"] == ["mentu-workspace", "prepare"]
    assert "mirror" in writable(by_name(pod, "fetch"))
    assert "mirror" not in writable(by_name(pod, "workspace"))


def test_a_public_repository_is_fetched_where_it_is_prepared() -> None:
    pod = made(shop=repository())

    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["workspace"]
    assert by_name(pod, "workspace")["command"] == ["mentu-workspace", "prepare", "--fetch"]
    assert "mirror" in writable(by_name(pod, "workspace"))


def test_the_agent_writes_to_its_workspace_and_to_nothing_that_others_read() -> None:
    assert writable(by_name(made(), "agent")) == {"workspace", "tmp"}


def test_an_export_reads_the_workspace_and_writes_the_bundle() -> None:
    pod = publish_pod(command(claimed()), PRIVATE, INSTALL)

    assert writable(by_name(pod, "export")) == {"export", "tmp"}
    assert "export" not in writable(by_name(pod, "publish"))
    assert secrets_of(by_name(pod, "publish")) == {"git"}
    assert secrets_of(by_name(pod, "export")) == set()


def test_a_repository_without_a_mirror_mounts_none() -> None:
    shop = repository(mirror={"enabled": False})

    for pod in (made(shop=shop), publish_pod(command(claimed()), shop, INSTALL)):
        assert all("mirror" not in mounted(c) for c in containers(pod))
        assert "affinity" not in pod["spec"]


def test_a_mirror_on_one_node_keeps_the_repository_s_pods_together() -> None:
    for pod in (made(), publish_pod(command(claimed()), PRIVATE, INSTALL)):
        (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        wanted = term["labelSelector"]["matchLabels"].items()
        assert wanted <= pod["metadata"]["labels"].items()  # or the first pod would wait for another for ever
    many = repository(mirror={"accessMode": "ReadWriteMany"})
    assert "affinity" not in made(shop=many)["spec"]


def test_a_command_in_a_checkout_gets_the_repository_s_volume_and_works_at_its_top() -> None:
    pod = made(command(claimed(), withWorktree=False, workingDirectory="pkg"))

    assert volume(pod, "workspace")["persistentVolumeClaim"]["claimName"] == "shop-checkout"
    run = json.loads(environment(by_name(pod, "agent"))["MENTU_RUN"])
    assert (run["worktree"], run["cwd"]) == ("/workspace/repo", "/workspace/repo/pkg")


def test_commands_of_one_checkout_have_their_marks_and_spools_apart() -> None:
    """The mark that a prompt has run is named by the attempt: the next command's first attempt is not this one's."""
    ids = ("0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a01", "0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a02")
    folders = {state_folder(command(withWorktree=False, commandId=each)) for each in ids}
    assert folders == {f"/workspace/state/{each}" for each in ids}
    assert state_folder(command(commandId=ids[0])) == "/workspace/state"


def test_what_a_command_left_in_a_checkout_does_not_steer_the_next_ones_runner() -> None:
    """Neither packages at the volume's top, which `-m` would import first, nor those in the home of another."""
    ids = ("0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a01", "0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a02")
    agents = [by_name(made(command(claimed(command_id=each), withWorktree=False)), "agent") for each in ids]

    assert all(not a["workingDir"].startswith("/workspace") for a in agents)
    assert all(environment(a)["PYTHONNOUSERSITE"] == "1" for a in agents)
    assert {environment(a)["HOME"] for a in agents} == {f"/workspace/home/{each}" for each in ids}
    assert environment(by_name(made(), "agent"))["HOME"] == "/workspace/home"


def test_a_command_with_a_worktree_gets_a_volume_and_a_folder_of_its_own() -> None:
    pod = made(command(claimed(commitment_id="cmt_x")))

    assert volume(pod, "workspace")["persistentVolumeClaim"]["claimName"] == "fix-login-worktree"
    run = json.loads(environment(by_name(pod, "agent"))["MENTU_RUN"])
    assert run["cwd"] == run["worktree"] == "/workspace/repo/.worktrees/cmt_x"


def test_the_command_s_word_on_resources_goes_before_the_agent_s_before_the_installation_s() -> None:
    of = command(claimed(), resources={"limits": {"memory": "8Gi"}})
    who = agent(resources={"limits": {"memory": "2Gi", "cpu": "2"}, "requests": {"cpu": "1"}})
    got = by_name(made(of, who=who), "agent")["resources"]

    assert (got["limits"]["memory"], got["limits"]["cpu"]) == ("8Gi", "2")
    assert (got["requests"]["cpu"], got["requests"]["memory"]) == ("1", "512Mi")


def test_every_container_is_bounded_in_memory() -> None:
    for pod in (made(), publish_pod(command(claimed()), PRIVATE, INSTALL)):
        assert all("memory" in c["resources"]["limits"] for c in containers(pod))


def test_the_kubelet_ends_an_agent_that_everything_else_has_failed_to_end() -> None:
    assert made(command(claimed(), timeoutSeconds=60))["spec"]["activeDeadlineSeconds"] > 60


def test_the_runner_has_time_to_save_the_work_before_the_kubelet_kills_it() -> None:
    pod = made()
    run = json.loads(environment(by_name(pod, "agent"))["MENTU_RUN"])

    assert 10 <= run["terminationGraceSeconds"] < pod["spec"]["terminationGracePeriodSeconds"]


def test_the_runner_is_told_which_values_to_redact_and_not_the_values() -> None:
    got = environment(by_name(made(), "agent"))

    assert json.loads(got["MENTU_RUN"])["redactEnv"] == ["ANTHROPIC_API_KEY"]
    assert got["ANTHROPIC_API_KEY"] == {"secretKeyRef": {"name": "model", "key": "api-key"}}


@pytest.mark.parametrize("env", ["MENTU_RUN", "PYTHONPATH", "HOME"])
def test_a_credential_cannot_take_the_place_of_the_operator_s_variables(env: str) -> None:
    got = environment(by_name(made(who=agent(credential={"secretName": "model", "env": env})), "agent"))

    assert isinstance(got[env], str)


def test_pull_secrets_of_installation_and_agent_are_named_once() -> None:
    install = Install("operator:1", "agent:1", image_pull_secrets=("a", "b"))
    pod = agent_pod(command(claimed()), PRIVATE, agent(imagePullSecrets=[{"name": "b"}, {"name": "c"}]), install)

    assert pod["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}, {"name": "c"}]


def test_a_rescue_is_pushed_as_one() -> None:
    for pod, kind in (
        (publish_pod(command(claimed()), PRIVATE, INSTALL), "Branch"),
        (rescue_pod(command(claimed()), PRIVATE, INSTALL), "Rescue"),
    ):
        pushing = [c for c in containers(pod) if c["name"] != "ship"]
        assert {json.loads(environment(c)["MENTU_WORKSPACE"])["publishAs"] for c in pushing} == {kind}


def test_what_the_log_lacks_is_sent_by_a_container_that_only_reads_the_volume() -> None:
    of = command(claimed(), withWorktree=False)
    for pod in (rescue_pod(of, PRIVATE, INSTALL), ship_pod(of, INSTALL)):
        ship = containers(pod)[0]
        assert (ship["name"], writable(ship), secrets_of(ship)) == ("ship", {"tmp"}, set())
        assert volume(pod, "workspace")["persistentVolumeClaim"]["claimName"] == "shop-checkout"
        told = json.loads(environment(ship)["MENTU_SHIP"])
        assert (told["commandId"], told["attempt"], told["epoch"]) == (of.command_id, 1, 1)
        assert (told["stateDir"], told["intakeUrl"]) == (state_folder(of), "http://gateway")
        assert told["seconds"] < pod["spec"]["activeDeadlineSeconds"]


@given(pods())
def test_nothing_takes_of_the_nodes_disk_without_a_limit_and_a_limit_is_no_request(made: list[Raw]) -> None:
    for pod in made:
        assert all(v["emptyDir"].get("sizeLimit") for v in pod["spec"]["volumes"] if "emptyDir" in v)
        for container in containers(pod):
            resources = container["resources"]
            assert resources["limits"]["ephemeral-storage"]
            assert resources["requests"]["ephemeral-storage"]


def test_where_all_nodes_are_tainted_every_pod_of_a_command_is_let_in() -> None:
    taint = {"key": "agents", "operator": "Exists"}
    of = command(claimed(), podTemplate={"tolerations": [taint], "nodeSelector": {"gpu": "yes"}})
    pods = [agent_pod(of, PRIVATE, KEYED, INSTALL), publish_pod(of, PRIVATE, INSTALL), rescue_pod(of, PRIVATE, INSTALL)]

    assert all(pod["spec"]["tolerations"] == [taint] for pod in (*pods, ship_pod(of, INSTALL)))
    assert [pod["spec"].get("nodeSelector") for pod in pods] == [{"gpu": "yes"}, None, None]


def test_no_label_of_a_command_makes_its_pod_one_of_the_installation_s_own() -> None:
    own = {
        "app.kubernetes.io/name": "mentu-operator",
        "app.kubernetes.io/instance": "mentu",
        "app.kubernetes.io/component": "executor",
        "mentu.dev/kept": "yes",
    }
    pod = agent_pod(command(claimed(), podTemplate={"labels": {**own, "team": "web"}}), PRIVATE, KEYED, INSTALL)

    assert pod["metadata"]["labels"]["team"] == "web"
    assert not own.keys() & pod["metadata"]["labels"].keys()
