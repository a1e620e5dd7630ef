"""What the development cluster's scripts decide without touching a machine."""

import io
import json
import os
import socket
import tarfile
from pathlib import Path

import pytest
from dev.cluster import build, cgroups, dns, down, images, network, owner, parts, processes, settings, up
from dev.cluster.layout import Layout
from dev.cluster.say import ClusterError

_BEFORE = """*filter
:INPUT ACCEPT [0:0]
:KUBE-MINE - [0:0]
-A INPUT -j KUBE-MINE
COMMIT
"""
_SAVED = """# a comment
*filter
:INPUT ACCEPT [7:9]
:DOCKER-USER - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-MINE - [0:0]
-A INPUT -j KUBE-MINE
-A INPUT -s 192.0.2.1/32 -j ACCEPT
-A INPUT -m comment --comment "cluster traffic" -j KUBE-FIREWALL
-A FORWARD -m comment --comment "rule of KUBE-ROUTER" -j ACCEPT
-A KUBE-FIREWALL -j DROP
COMMIT
"""


def test_undoing_rules_removes_our_chains_and_the_rules_to_them_and_nothing_else() -> None:
    undo = network.undo_rules(_SAVED, _BEFORE).splitlines()
    assert undo == [
        "*filter",
        ":KUBE-FIREWALL - [0:0]",
        '-D INPUT -m comment --comment "cluster traffic" -j KUBE-FIREWALL',
        '-D FORWARD -m comment --comment "rule of KUBE-ROUTER" -j ACCEPT',
        "-X KUBE-FIREWALL",
        "COMMIT",
    ]


def test_nothing_is_undone_where_the_rules_are_as_before() -> None:
    assert network.undo_rules(_BEFORE, _BEFORE) == ""


def test_counters_and_empty_tables_are_no_difference() -> None:
    empty = "*nat\n:PREROUTING ACCEPT [12:34]\nCOMMIT\n"
    assert network.normalised(empty) == network.normalised("")
    assert network.normalised(_SAVED) == network.normalised(_SAVED.replace("[0:0]", "[5:6]"))


def test_a_process_number_that_another_program_has_now_is_not_ours() -> None:
    mine = processes.of_pids([os.getpid()])[0]
    assert processes.alive(mine)
    assert not processes.alive(processes.Record(mine.pid, mine.started - 1, mine.boot))
    assert not processes.alive(processes.Record(mine.pid, mine.started, "another boot"))


def test_a_part_that_ends_because_another_is_not_ready_yet_is_started_again(tmp_path: Path) -> None:
    with socket.socket() as health:
        health.bind(("127.0.0.1", 0))
        starts: list[int] = []

        def start() -> None:
            starts.append(len(starts))
            if len(starts) == 3:  # the first two ended
                health.listen()

        up.start_until_it_stays(Layout(tmp_path), "kubelet", (socket.AF_INET, health.getsockname()), start)
    assert len(starts) == 3


@pytest.fixture
def neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Another checkout's cluster, of which this test process is the one part."""
    monkeypatch.setattr(owner, "RUNTIME", tmp_path / "runtime")
    monkeypatch.setattr(owner, "_FILE", tmp_path / "runtime" / "owner.json")
    other = Layout(tmp_path / "other")
    other.records.mkdir(parents=True)
    processes.save(processes.of_pids([os.getpid()])[0], other.records / "etcd.json")
    owner.claim(other.folder)
    return other


def test_another_checkouts_cluster_is_left_alone_while_any_part_of_it_runs(neighbour: Layout, tmp_path: Path) -> None:
    processes.save(processes.Record(1, 0, "another boot"), neighbour.records / "kubelet.json")
    with pytest.raises(ClusterError, match=f"make cluster-down CLUSTER_DIR={neighbour.folder}"):
        owner.refuse_another(tmp_path / "mine")
    assert owner.left_behind(tmp_path / "mine") is None
    owner.refuse_another(neighbour.folder)


def test_a_cluster_whose_every_part_was_killed_is_cleared_up_and_holds_the_machine_no_longer(
    neighbour: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Layout] = []
    monkeypatch.setattr(down, "sweep_leftovers", swept.append)
    processes.save(processes.Record(os.getpid(), 0, processes.boot_id()), neighbour.records / "etcd.json")
    mine = Layout(tmp_path / "mine")
    owner.refuse_another(mine.folder)
    down.sweep_left_behind(mine)
    assert swept == [neighbour]
    owner.claim(mine.folder)
    down.sweep_left_behind(mine)
    assert swept == [neighbour]


def test_a_cluster_whose_records_somebody_has_deleted_runs_as_long_as_anything_is_in_its_control_group(
    neighbour: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (neighbour.records / "etcd.json").unlink()
    monkeypatch.setattr(cgroups, "pids", lambda: {1})
    assert owner.running_elsewhere(tmp_path / "mine") == neighbour.folder
    monkeypatch.setattr(cgroups, "pids", set)
    assert owner.running_elsewhere(tmp_path / "mine") is None


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "etcd.json").write_text('{"pid": 1')
    assert processes.load(tmp_path / "etcd.json") is None


def test_a_program_is_built_again_when_an_input_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HERE", tmp_path)
    program = build.Program("tool", "tool")
    program.folder.mkdir()
    (program.folder / "go.mod").write_text("module tool")
    first = build.inputs_hash(program, "go1.26")
    (program.folder / "README.md").write_text("not an input")
    assert build.inputs_hash(program, "go1.26") == first
    assert build.inputs_hash(program, "go1.27") != first
    (program.folder / "go.mod").write_text("module other")
    assert build.inputs_hash(program, "go1.26") != first


def test_an_image_made_of_a_program_names_itself_and_runs_the_program(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_bytes(b"\x7fELF")
    images.from_program(program, "localhost/tool:1", tmp_path / "tool.tar")
    [image] = images.contents(tmp_path / "tool.tar")
    assert image.name == "localhost/tool:1"
    with tarfile.open(tmp_path / "tool.tar") as tar:
        blobs = [file.read() for member in tar if (file := tar.extractfile(member))]
    configs = [json.loads(blob) for blob in blobs if b"Entrypoint" in blob]
    assert configs[0]["config"]["Entrypoint"] == ["/tool"]


def test_a_docker_archive_tells_its_names_and_content(tmp_path: Path) -> None:
    manifest = json.dumps([{"Config": "abc.json", "RepoTags": ["agent:1"], "Layers": []}]).encode()
    with tarfile.open(tmp_path / "agent.tar", "w") as tar:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    assert images.contents(tmp_path / "agent.tar") == [images.Named("agent:1", "abc.json")]


def test_only_a_complete_answer_without_an_error_means_that_dns_works() -> None:
    query = dns.question("a.example")
    answer = query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:]
    assert dns.is_answer(answer)
    assert not dns.is_answer(query)
    assert not dns.is_answer(answer[:3] + b"\x83" + answer[4:])
    assert not dns.is_answer(b"")


def test_etcd_writes_to_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    assert "--unsafe-no-fsync" not in parts.argv("etcd", Layout(tmp_path))
    assert "--unsafe-no-fsync" in parts.argv("etcd", Layout(tmp_path, fsync=False))


def test_everything_that_the_parts_write_is_below_the_clusters_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    kubelet = json.loads(settings.kubelet(layout, "/etc/resolv.conf"))
    assert kubelet["podLogsDir"].startswith(str(tmp_path))
    assert kubelet["volumePluginDir"].startswith(str(tmp_path))
    ipam = json.loads(settings.cni(layout))["plugins"][0]["ipam"]
    assert ipam["dataDir"].startswith(str(tmp_path))


def test_without_a_reachable_name_server_dns_answers_for_the_cluster_only() -> None:
    assert "forward" in settings.corefile(forward=True)
    assert "forward" not in settings.corefile(forward=False)
