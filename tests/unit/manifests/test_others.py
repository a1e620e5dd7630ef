"""Volumes, the network policy, and the installation's own values."""

from __future__ import annotations

from tests.support.builders import NAMESPACE, UID, claimed, command, repository

from bugcommand_operator.manifests.network_policy import agents_network_policy
from bugcommand_operator.manifests.volumes import checkout_volume, mirror_volume, worktree_volume

COMMAND = command(claimed())


def test_a_worktree_volume_is_the_command_s_by_label_and_not_yet_by_owner() -> None:
    made = worktree_volume(COMMAND, repository(worktree={"size": "5Gi", "storageClassName": "fast"}))

    assert made["metadata"]["name"] == "fix-login-worktree"
    assert made["metadata"]["labels"]["mentu.dev/command-uid"] == UID
    assert "ownerReferences" not in made["metadata"]
    assert made["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": "fast",
    }


def test_without_a_class_the_cluster_s_default_is_taken() -> None:
    assert "storageClassName" not in worktree_volume(COMMAND, repository())["spec"]


def test_what_commands_share_is_labelled_with_no_command() -> None:
    shop = repository(mirror={"accessMode": "ReadWriteMany"})
    mirror, checkout = mirror_volume(NAMESPACE, "shop", shop), checkout_volume(COMMAND, shop)

    for made in (mirror, checkout):
        assert "mentu.dev/command-uid" not in made["metadata"]["labels"]
        assert made["metadata"]["labels"]["mentu.dev/repository"] == "shop"
    assert (mirror["metadata"]["name"], checkout["metadata"]["name"]) == ("shop-mirror", "shop-checkout")
    assert mirror["spec"]["accessModes"] == ["ReadWriteMany"]


def test_no_volume_is_for_one_pod_alone() -> None:
    """A publish pod may start while the agent's pod is still being taken down."""
    for made in (worktree_volume(COMMAND, repository()), checkout_volume(COMMAND, repository())):
        assert "ReadWriteOncePod" not in made["spec"]["accessModes"]


def test_a_size_without_a_unit_is_written_as_text() -> None:
    made = worktree_volume(COMMAND, repository(worktree={"size": 5}))

    assert made["spec"]["resources"]["requests"]["storage"] == "5"


def test_the_network_policy_is_for_agents_and_says_what_the_installation_says() -> None:
    spec = {"policyTypes": ["Egress"], "egress": [], "podSelector": {}}
    made = agents_network_policy(NAMESPACE, spec)

    assert made["metadata"]["namespace"] == NAMESPACE
    assert made["spec"]["egress"] == []
    assert made["spec"]["podSelector"]["matchLabels"]["mentu.dev/role"] == "agent"
