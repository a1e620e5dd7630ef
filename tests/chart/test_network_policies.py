"""What agents may reach, and who may reach the executor's pod."""

from __future__ import annotations

import json
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from tests.chart.rendering import (
    NAMESPACE,
    POSTGRES,
    RELEASE,
    Manifest,
    environment,
    executor_pod,
    gateway_pod,
    of_kind,
    one,
    pod_of,
    render,
)

from bugcommand_operator.api.names import LABEL_ROLE
from bugcommand_operator.manifests.network_policy import agents_network_policy


def agents_policy(**values: Any) -> Manifest:
    policy: Manifest = json.loads(environment("executor", render(networkPolicy=values))["MENTU_NETWORK_POLICY"])
    return policy


def may_reach(policy: Manifest, address: str, port: int) -> bool:
    """By address alone: rules that name pods are left aside."""
    return any(
        _inside(peer["ipBlock"], address)
        for rule in policy["egress"]
        if port in [p["port"] for p in rule["ports"]]
        for peer in rule["to"]
        if "ipBlock" in peer
    )


def _inside(block: Manifest, address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:  # what leaves the pod is IPv4
        ip = ip.ipv4_mapped
    return ip in ip_network(block["cidr"]) and not any(ip in ip_network(c) for c in block.get("except", []))


def admits(policy: Manifest, port: int, labels: dict[str, str], same_namespace: bool) -> bool:
    return any(
        "from" not in rule or any(_selects(peer, labels, same_namespace) for peer in rule["from"])
        for rule in policy["spec"]["ingress"]
        if port in [p["port"] for p in rule["ports"]]
    )


def _selects(peer: Manifest, labels: dict[str, str], same_namespace: bool) -> bool:
    if not same_namespace and peer.get("namespaceSelector") != {}:
        return False
    pods = peer.get("podSelector", {})
    exist = all(e["operator"] == "Exists" and e["key"] in labels for e in pods.get("matchExpressions", []))
    return exist and pods.get("matchLabels", {}).items() <= labels.items()


PRIVATE = [
    "10.96.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fe80::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_agents_reach_no_private_address_and_no_metadata_service(address: str) -> None:
    assert not may_reach(agents_policy(), address, 443)
    assert not may_reach(agents_policy(), address, 80)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_agents_reach_the_internet_on_web_ports_only(address: str) -> None:
    policy = agents_policy()
    assert may_reach(policy, address, 443)
    assert may_reach(policy, address, 80)
    assert not may_reach(policy, address, 22)


def test_the_api_server_takes_every_exception_for_a_part_of_its_block() -> None:
    """It reads an IPv4-mapped range as IPv4, which is no part of ::/0, and refuses the whole policy."""
    blocks = [p["ipBlock"] for r in agents_policy()["egress"] for p in r["to"] if "except" in p.get("ipBlock", {})]
    assert [b["cidr"] for b in blocks] == ["0.0.0.0/0", "::/0"]
    for block in blocks:
        for network in map(ip_network, block["except"]):
            assert network.version == ip_network(block["cidr"]).version
            assert not (isinstance(network, IPv6Network) and network.network_address.ipv4_mapped)


def test_without_internet_ports_agents_reach_no_address() -> None:
    assert not may_reach(agents_policy(internetPorts=[]), "93.184.216.34", 443)


def test_private_ranges_are_opened_only_when_asked() -> None:
    assert may_reach(agents_policy(blockPrivateRanges=False), "10.1.2.3", 443)


def test_nobody_reaches_an_agent() -> None:
    policy = agents_policy()
    assert policy["ingress"] == []
    assert policy["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_agents_reach_the_gateways_port_on_the_pod_that_holds_it(values: Manifest) -> None:
    objects = render(**values)
    policy = json.loads(environment("executor", objects)["MENTU_NETWORK_POLICY"])
    (rule,) = [r for r in policy["egress"] if [p["port"] for p in r["ports"]] == [8080]]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    pod = gateway_pod(objects)
    assert peer["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert 8080 in [p["containerPort"] for c in pod["spec"]["containers"] for p in c["ports"]]


def test_agents_may_ask_the_clusters_dns_over_udp_and_tcp() -> None:
    rule = agents_policy()["egress"][0]
    assert {(53, "UDP"), (53, "TCP")} <= {(p["port"], p["protocol"]) for p in rule["ports"]}
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}} in rule["to"]


def test_more_egress_is_added_as_it_was_written() -> None:
    extra = {"to": [{"podSelector": {"matchLabels": {"app": "git"}}}], "ports": [{"port": 8443, "protocol": "TCP"}]}
    assert agents_policy(extraEgress=[extra])["egress"][-1] == extra


def test_the_executor_makes_a_whole_policy_of_it() -> None:
    policy = agents_network_policy("shop", agents_policy())
    assert policy["spec"]["podSelector"]["matchLabels"][LABEL_ROLE] == "agent"
    assert policy["spec"]["egress"] == agents_policy()["egress"]


def test_without_network_policies_the_executor_is_told_of_none() -> None:
    objects = render(networkPolicy={"enabled": False, "executor": {"enabled": False}})
    assert "MENTU_NETWORK_POLICY" not in environment("executor", objects)
    assert not of_kind("NetworkPolicy", objects)


@pytest.mark.parametrize(("values", "name"), [({}, "executor"), (POSTGRES, "gateway")])
def test_only_command_pods_and_the_helm_test_reach_the_gateway(values: Manifest, name: str) -> None:
    objects = render(**values)
    policy = one("NetworkPolicy", f"{RELEASE}-{name}", objects)
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= gateway_pod(objects)["metadata"]["labels"].items()
    tester = pod_of(one("Pod", f"{RELEASE}-test", objects))["metadata"]["labels"]
    assert admits(policy, 8080, {LABEL_ROLE: "agent"}, same_namespace=False)
    assert admits(policy, 8080, tester, same_namespace=True)
    assert not admits(policy, 8080, tester, same_namespace=False)
    assert not admits(policy, 8080, {"app": "other"}, same_namespace=True)


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_the_executors_metrics_can_be_read_and_nothing_else_of_a_pod_without_the_gateway(values: Manifest) -> None:
    objects = render(**values)
    policy = one("NetworkPolicy", f"{RELEASE}-executor", objects)
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= executor_pod(objects)["metadata"]["labels"].items()
    assert admits(policy, 9090, {"app": "prometheus"}, same_namespace=False)
    tester = pod_of(one("Pod", f"{RELEASE}-test", objects))["metadata"]["labels"]
    assert admits(policy, 8081, tester, same_namespace=True)
    assert not admits(policy, 8081, {"app": "prometheus"}, same_namespace=True)
    assert admits(policy, 8080, {LABEL_ROLE: "agent"}, same_namespace=False) is (values == {})


def test_metrics_can_be_kept_to_whom_they_are_for() -> None:
    prometheus = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    values: Manifest = {"executor": {"metricsFrom": [prometheus]}}
    policy = one("NetworkPolicy", f"{RELEASE}-executor", render(networkPolicy=values, serviceMonitor={"enabled": True}))
    assert admits(policy, 9090, {"app": "prometheus"}, same_namespace=True)
    assert admits(policy, 8080, {"app": "prometheus"}, same_namespace=True)
    assert not admits(policy, 9090, {"app": "other"}, same_namespace=True)
    assert not admits(policy, 8080, {"app": "other"}, same_namespace=True)


def test_with_postgres_the_gateways_metrics_are_kept_to_the_same_readers() -> None:
    prometheus = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    values: Manifest = {**POSTGRES, "networkPolicy": {"executor": {"metricsFrom": [prometheus]}}}
    without = one("NetworkPolicy", f"{RELEASE}-gateway", render(**values))
    policy = one("NetworkPolicy", f"{RELEASE}-gateway", render(**values, serviceMonitor={"enabled": True}))
    assert admits(policy, 8080, {"app": "prometheus"}, same_namespace=True)
    assert not admits(policy, 8080, {"app": "other"}, same_namespace=True)
    assert not admits(without, 8080, {"app": "prometheus"}, same_namespace=True)


@pytest.mark.parametrize(("values", "name"), [({}, "executor"), (POSTGRES, "gateway")])
def test_more_readers_of_the_gateway_can_be_let_in(values: Manifest, name: str) -> None:
    page = {"podSelector": {"matchLabels": {"app": "page"}}}
    policy = one(
        "NetworkPolicy", f"{RELEASE}-{name}", render(**values, networkPolicy={"executor": {"gatewayFrom": [page]}})
    )
    assert admits(policy, 8080, {"app": "page"}, same_namespace=True)
