"""The stock PostgREST client, unchanged, against a real gateway process: over SQLite, and over Postgres."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgrest import APIError, AsyncPostgrestClient, CountMethod, SyncPostgrestClient
from tests.process.gateway.process import COMMAND, GatewayProcess, Sender
from tests.support.postgres import postgres_server  # noqa: F401 (a fixture)
from tests.unit.gateway.fake_cluster import FakeCluster

OTHER = "0a0a0a0a-3c0e-4f0e-9d4e-0a3f3f1f2a22"
FOREIGN = "0b0b0b0b-3c0e-4f0e-9d4e-0a3f3f1f2a33"
START = datetime(2026, 1, 1, tzinfo=UTC)
PROXY = "proxy-token-of-the-shop"


def body(command: str, seqs: range, attempt: int = 1) -> dict[str, Any]:
    """Lines of which two at a time have the same `ts`, as a quick program writes them."""
    lines = [
        {
            "seq": seq,
            "stream": "stderr" if seq % 10 == 0 else "stdout",
            "ts": (START + timedelta(milliseconds=seq // 2)).isoformat(),
            "message": f'line {seq}, "quoted" é' if seq % 100 else f"ERROR at {seq}",
        }
        for seq in seqs
    ]
    return {"commandId": command, "attempt": attempt, "epoch": 1, "machineId": "lab", "lines": lines}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, FakeCluster]]:
    folder = tmp_path_factory.mktemp("gateway")
    database = f"sqlite+aiosqlite:///{folder / 'logs.db'}"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        database = server.url(server.new_database())
    tokens = folder / "tokens.yaml"
    entry = {"name": "shop's", "token": PROXY, "namespace": "team-a", "repositories": ["shop"]}
    tokens.write_text(json.dumps([entry]))
    with FakeCluster() as cluster:
        cluster.add("pod", COMMAND, 1, repository="shop")
        cluster.add("other", OTHER, 1, repository="desk")
        cluster.add("foreign", FOREIGN, 1, namespace="team-b")
        cluster.add_user("jane", "jane", "team-a")
        cluster.add_user("nobody", "nobody")
        process = GatewayProcess(database, cluster.kubeconfig(folder), MENTU_PROXY_TOKENS_FILE=str(tokens))
        assert process.migrate() == 0
        with process:
            for token, command, last in (("pod", COMMAND, 2500), ("other", OTHER, 10), ("foreign", FOREIGN, 10)):
                sender = Sender(process.port, token)
                for first in range(1, last + 1, 500):
                    answer = sender.send(body(command, range(first, min(first + 500, last + 1))))
                    assert answer.status == 200, answer
            yield process, cluster


@pytest.fixture
def url(gateway: tuple[GatewayProcess, FakeCluster]) -> str:
    return f"http://127.0.0.1:{gateway[0].port}/rest/v1"


@pytest.fixture
def jane(url: str) -> Iterator[SyncPostgrestClient]:
    with SyncPostgrestClient(url, headers={"Authorization": "Bearer jane", "apikey": "jane"}) as client:
        yield client


def seqs(answer: Any) -> list[int]:
    return [row["seq"] for row in answer.data]


def test_the_seeds_query_reads_a_log_page_by_page_in_order(jane: SyncPostgrestClient) -> None:
    read: list[int] = []
    for offset in range(0, 3000, 1000):
        query = jane.from_("spawn_logs").select("*").eq("command_id", COMMAND).order("ts").limit(1000).offset(offset)
        read += seqs(query.execute())
    assert read == list(range(1, 2501))


def test_a_row_holds_what_was_sent(jane: SyncPostgrestClient) -> None:
    row = jane.from_("spawn_logs").select("*").eq("command_id", COMMAND).eq("seq", 3).single().execute().data
    assert isinstance(row, dict)
    assert datetime.fromisoformat(str(row.pop("ts"))) == START + timedelta(milliseconds=1)
    row.pop("day")
    assert row == {
        "command_id": COMMAND,
        "attempt": 1,
        "seq": 3,
        "stream": "stdout",
        "message": 'line 3, "quoted" é',
        "epoch": 1,
        "machine_id": "lab",
        "namespace": "team-a",
    }


def test_a_cursor_by_ts_and_seq_reads_on_without_a_gap(jane: SyncPostgrestClient) -> None:
    read: list[int] = []
    after = "seq.gt.0"
    for _ in range(30):
        query = jane.from_("spawn_logs").select("ts", "seq").eq("command_id", COMMAND).or_(after)
        page = query.order("ts").order("seq").limit(99).execute()
        read += seqs(page)
        if not page.data:
            break
        last: Any = page.data[-1]
        after = f"ts.gt.{last['ts']},and(ts.eq.{last['ts']},seq.gt.{last['seq']})"
    assert read == list(range(1, 2501))


def test_filters_of_all_kinds(jane: SyncPostgrestClient) -> None:
    def found(**_: Any) -> Any:
        return jane.from_("spawn_logs").select("seq").eq("command_id", COMMAND).order("seq")

    assert seqs(found().gt("seq", 2490).lte("seq", 2495).execute()) == list(range(2491, 2496))
    assert seqs(found().in_("seq", [5, 7, 9999]).execute()) == [5, 7]
    assert seqs(found().lt("seq", 25).eq("stream", "stderr").execute()) == [10, 20]
    assert seqs(found().neq("stream", "stdout").lt("seq", 15).execute()) == [10]
    assert seqs(found().like("message", "ERROR%").lt("seq", 300).execute()) == [100, 200]
    assert seqs(found().ilike("message", "error*").lt("seq", 300).execute()) == [100, 200]
    assert seqs(found().not_.in_("seq", [1, 2]).lt("seq", 5).execute()) == [3, 4]
    assert seqs(found().is_("message", None).execute()) == []
    assert seqs(found().or_("seq.eq.1,and(seq.gt.8,seq.lt.10)").execute()) == [1, 9]
    assert seqs(found().eq("message", 'line 3, "quoted" é').execute()) == [3]
    assert seqs(found().gte("ts", START + timedelta(milliseconds=1250)).execute()) == [2500]
    assert seqs(found().range(10, 14).execute()) == [11, 12, 13, 14, 15]
    assert seqs(found().order("ts", desc=True).limit(1).execute()) == [1]


def test_the_newest_come_first_when_asked_for(jane: SyncPostgrestClient) -> None:
    query = jane.from_("spawn_logs").select("seq,text:message").eq("command_id", COMMAND)
    rows = query.order("ts", desc=True).order("seq", desc=True).limit(3).execute().data
    assert rows == [
        {"seq": 2500, "text": "ERROR at 2500"},
        {"seq": 2499, "text": 'line 2499, "quoted" é'},
        {"seq": 2498, "text": 'line 2498, "quoted" é'},
    ]


@pytest.mark.parametrize("method", list(CountMethod))
def test_totals_are_counted(jane: SyncPostgrestClient, method: CountMethod) -> None:
    query = jane.from_("spawn_logs").select("seq", count=method).eq("command_id", COMMAND).limit(5)
    answer = query.execute()
    assert (len(answer.data), answer.count) == (5, 2500)
    only_head = jane.from_("spawn_logs").select("seq", count=method, head=True).eq("command_id", COMMAND).execute()
    assert (only_head.data, only_head.count) == ([], 2500)
    empty = jane.from_("spawn_logs").select("seq", count=method).eq("command_id", COMMAND).gt("seq", 5000).execute()
    assert (empty.data, empty.count) == ([], 0)


def test_one_row_or_an_error(jane: SyncPostgrestClient) -> None:
    query = jane.from_("spawn_logs").select("seq").eq("command_id", COMMAND)
    assert query.eq("seq", 1).single().execute().data == {"seq": 1}
    with pytest.raises(APIError) as refused:
        jane.from_("spawn_logs").select("seq").eq("command_id", COMMAND).single().execute()
    assert (refused.value.code, refused.value.message) == (
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
    )
    nothing = jane.from_("spawn_logs").select("seq").eq("command_id", COMMAND).eq("seq", 0).maybe_single().execute()
    assert nothing is None


def test_csv(jane: SyncPostgrestClient) -> None:
    text = jane.from_("spawn_logs").select("seq,message").eq("command_id", COMMAND).order("seq").limit(2).csv()
    assert text.execute().data == 'seq,message\n1,"line 1, ""quoted"" é"\n2,"line 2, ""quoted"" é"\n'


def test_errors_come_as_the_client_knows_them(jane: SyncPostgrestClient) -> None:
    with pytest.raises(APIError) as refused:
        jane.from_("spawn_logs").select("nothing").eq("command_id", COMMAND).execute()
    assert (refused.value.code, "nothing" in str(refused.value.message)) == ("42703", True)
    with pytest.raises(APIError) as refused:
        jane.from_("spawn_log_owners").select("*").execute()
    assert refused.value.code == "PGRST205"
    with pytest.raises(APIError) as refused:
        jane.from_("spawn_logs").insert({"seq": 1}).execute()
    assert refused.value.code == "PGRST117"
    with pytest.raises(APIError) as refused:
        jane.from_("spawn_logs").select("*").execute()
    assert "command_id=eq." in str(refused.value.hint)
    with pytest.raises(APIError) as refused:
        jane.schema("private").from_("spawn_logs").select("*").eq("command_id", COMMAND).execute()
    assert refused.value.code == "PGRST106"


async def test_the_asynchronous_client_reads_as_well(url: str) -> None:
    async with AsyncPostgrestClient(url, headers={"apikey": "jane"}) as client:
        answer = (
            await client.from_("spawn_logs").select("seq").eq("command_id", COMMAND).order("seq").limit(2).execute()
        )
    assert answer.data == [{"seq": 1}, {"seq": 2}]


def test_what_may_not_be_read_looks_like_what_does_not_exist(url: str) -> None:
    def read(token: str, command: str) -> Any:
        query = {"command_id": f"eq.{command}", "select": "seq"}
        answer = httpx.get(f"{url}/spawn_logs", params=query, headers={"Authorization": f"Bearer {token}"})
        headers = {name: answer.headers.get(name) for name in ("content-range", "content-type", "content-length")}
        return answer.status_code, answer.json(), headers

    unknown = read("jane", "00000000-0000-4000-8000-000000000000")
    assert unknown[:2] == (200, [])
    assert read("jane", FOREIGN) == read("nobody", COMMAND) == read("nobody", FOREIGN) == unknown
    assert read(PROXY, OTHER) == read(PROXY, FOREIGN) == unknown, "a token is bound to its Repositories"
    assert len(read("jane", OTHER)[1]) == 10
    assert len(read(PROXY, COMMAND)[1]) == 1000


def test_a_namespace_can_be_read_as_a_whole(url: str, jane: SyncPostgrestClient) -> None:
    query = jane.from_("spawn_logs").select("command_id,seq").eq("namespace", "team-a").eq("seq", 7)
    assert {row["command_id"] for row in query.execute().data} == {COMMAND, OTHER}  # type: ignore[index,call-overload]
    assert jane.from_("spawn_logs").select("seq").eq("namespace", "team-b").execute().data == []
    with SyncPostgrestClient(url, headers={"X-Proxy-Token": PROXY}) as client:
        own = client.from_("spawn_logs").select("command_id").eq("seq", 7).execute().data
    assert own == [{"command_id": COMMAND}], "its own namespace, and of that its own Repositories"


@pytest.mark.parametrize(("token", "status"), [("", 401), ("unknown", 401), ("pod", 200)])
def test_a_token_is_needed_and_a_pods_alone_reads_nothing(url: str, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.get(f"{url}/spawn_logs", params={"command_id": f"eq.{COMMAND}"}, headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert set(answer.json()) == {"code", "message", "details", "hint"}
        assert "www-authenticate" in answer.headers
    else:
        assert answer.json() == []


def test_a_range_in_headers_is_answered_as_a_range(url: str) -> None:
    headers = {"Authorization": "Bearer jane", "Range-Unit": "items", "Range": "2490-2599", "Prefer": "count=exact"}
    query = {"command_id": f"eq.{COMMAND}", "select": "seq", "order": "seq"}
    answer = httpx.get(f"{url}/spawn_logs", params=query, headers=headers)
    assert (answer.status_code, answer.headers["content-range"]) == (206, "2490-2499/2500")
    assert [row["seq"] for row in answer.json()] == list(range(2491, 2501))
    beyond = httpx.get(f"{url}/spawn_logs", params=query, headers={**headers, "Range": "9000-9001"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "PGRST103")


def found_by(client: SyncPostgrestClient, **parameters: Any) -> list[Any]:
    """The index is built behind the intake: it may take a moment."""
    for _ in range(300):
        data = client.rpc("search_logs", parameters).execute().data
        if data:
            return list(data)  # type: ignore[arg-type]
        time.sleep(0.1)
    return []


def test_words_are_found_in_the_namespace_that_may_be_read(url: str, jane: SyncPostgrestClient) -> None:
    found = found_by(jane, namespace="team-a", query="error 2400")
    assert [(row["seq"], row["message"]) for row in found] == [(2400, "ERROR at 2400")]
    assert (
        found[0]
        == jane.from_("spawn_logs").select("*").eq("command_id", COMMAND).eq("seq", 2400).single().execute().data
    )

    newest = found_by(jane, namespace="team-a", query="error", command_id=COMMAND, limit=3)
    assert [row["seq"] for row in newest] == [2500, 2400, 2300]
    by_get = jane.rpc("search_logs", {"namespace": "team-a", "query": "error", "limit": "3"}, get=True).execute()
    assert by_get.data == newest

    with SyncPostgrestClient(url, headers={"X-Proxy-Token": PROXY}) as shop:
        assert [row["seq"] for row in found_by(shop, namespace="team-a", query="line 7")] == [7], "its own alone"
        assert (
            shop.rpc("search_logs", {"namespace": "team-a", "query": "line", "command_id": OTHER}).execute().data == []
        )


@pytest.mark.parametrize(
    "parameters",
    [
        {"namespace": "team-b", "query": "line"},
        {"namespace": "team-b", "query": "line", "command_id": FOREIGN},
        {"namespace": "team-a", "query": "line", "command_id": FOREIGN},
        {"namespace": "nowhere", "query": "line"},
    ],
)
def test_a_search_where_one_may_not_read_finds_nothing(jane: SyncPostgrestClient, parameters: dict[str, str]) -> None:
    assert jane.rpc("search_logs", parameters).execute().data == []


@pytest.mark.parametrize(
    "parameters", [{}, {"namespace": "team-a"}, {"namespace": "team-a", "query": "x", "table": "t"}]
)
def test_a_search_without_its_parameters_is_refused(jane: SyncPostgrestClient, parameters: dict[str, str]) -> None:
    with pytest.raises(APIError) as refused:
        jane.rpc("search_logs", parameters).execute()
    assert refused.value.code == "PGRST202"


def test_rights_are_asked_once_a_minute(
    url: str, gateway: tuple[GatewayProcess, FakeCluster], jane: SyncPostgrestClient
) -> None:
    cluster = gateway[1]
    jane.from_("spawn_logs").select("seq").eq("command_id", COMMAND).limit(1).execute()
    before = len(cluster.requests)
    for _ in range(5):
        jane.from_("spawn_logs").select("seq").eq("command_id", COMMAND).limit(1).execute()
    assert len(cluster.requests) == before


def test_an_api_server_that_is_away_is_told_apart_from_having_no_right(
    url: str, gateway: tuple[GatewayProcess, FakeCluster]
) -> None:
    gateway[1].failing = 500
    try:
        query = {"command_id": f"eq.{COMMAND}"}
        answer = httpx.get(f"{url}/spawn_logs", params=query, headers={"apikey": "somebody new"})
    finally:
        gateway[1].failing = 0
    assert (answer.status_code, answer.json()["code"]) == (503, "IdentityUnavailable")


def test_migrating_waits_for_a_database_for_so_long_and_then_says_so(tmp_path: Path) -> None:
    away = GatewayProcess(
        "postgresql+psycopg://nobody@127.0.0.1:9/none", tmp_path / "none", MENTU_MIGRATE_WAIT_SECONDS="1"
    )
    assert away.migrate() != 0
