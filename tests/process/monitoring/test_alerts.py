"""Each alert fires when it should and keeps quiet when it should not: promtool runs the rules over made-up series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.prometheus import promtool

RULES = Path(__file__).parents[3] / "helm" / "mentu-operator" / "rules" / "mentu.yaml"
Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """Series by PromQL's notation for tests, a sample each minute; `fires` are the labels of what fires at `minute`."""

    alert: str
    series: Series
    minute: int
    fires: dict[str, str] | None = None


EXECUTOR = {"instance": "executor:9090"}
CAPACITY = {"mentu_executor_capacity": "4x120"}
ANSWER = 'mentu_last_watch_answer_timestamp_seconds{instance="executor:9090",kind="Pod"}'
QUEUE = 'mentu_queue_oldest_seconds{instance="executor:9090"}'
STORE = 'mentu_store_up{instance="gateway:8080"}'
AWAY = 'mentu_log_store_away_seconds{instance="executor:9090"}'


def passes(failed: str, done: str) -> Series:
    return {
        'mentu_reconcile_total{instance="executor:9090",result="failed"}': failed,
        'mentu_reconcile_total{instance="executor:9090",result="done"}': done,
    }


def ends(failed: str, succeeded: str) -> Series:
    return {
        'mentu_finished_total{phase="Failed",reason="AgentFailed"}': failed,
        'mentu_finished_total{phase="Succeeded",reason="Completed"}': succeeded,
    }


def model(reason: str, values: str) -> Series:
    return {f'mentu_finished_total{{phase="Failed",reason="{reason}"}}': values}


def oldest(reason: str, values: str) -> Series:
    """As two executors report it."""
    name = "mentu_commands_waiting_oldest_seconds"
    return {f'{name}{{instance="{one}",reason="{reason}"}}': values for one in ("a", "b")}


def histogram(name: str, low: str, high: str) -> Series:
    """Everything above `low`, within `high`."""
    return {f'{name}{{le="{low}"}}': "0x120", f'{name}{{le="{high}"}}': "0+10x120", f'{name}{{le="+Inf"}}': "0+10x120"}


def jobs(values: str) -> Series:
    return {'mentu_store_job_runs_total{result="failed",task="index"}': values}


CASES = [
    Case("MentuNoExecutor", {"up": "0x60"}, 7, {}),
    Case("MentuNoExecutor", CAPACITY, 7),
    Case("MentuWatchSilent", {ANSWER: "0x60"}, 11, {**EXECUTOR, "kind": "Pod"}),
    Case("MentuWatchSilent", {ANSWER: "0x5 300x5 600x50"}, 15),
    Case("MentuPassesFailing", passes("0+3x60", "0+6x60"), 30, EXECUTOR),
    Case("MentuPassesFailing", passes("0+1x60", "0+60x60"), 30),
    Case("MentuPassesFailing", passes("0x60", "0x60"), 30),
    Case("MentuQueueStuck", {QUEUE: "90x60"}, 8, EXECUTOR),
    Case("MentuQueueStuck", {QUEUE: "90 0 90 0 90 0 90 0 90 0x50"}, 8),
    Case("MentuCommandsFailing", ends("0+1x120", "0x120"), 60, {}),
    Case("MentuCommandsFailing", ends("0x20 1x100", "0x120"), 60),  # one failure is no pattern
    Case("MentuCommandsFailing", ends("0+1x120", "0+3x120"), 60),
    Case("MentuModelFails", model("ModelCreditExhausted", "0x5 1x60"), 7, {"reason": "ModelCreditExhausted"}),
    Case("MentuModelFails", model("ModelCreditExhausted", "0x5 1x60"), 40),
    Case("MentuModelFails", model("AgentFailed", "0+1x60"), 7),
    Case("MentuCommandsWaitLong", oldest("Unseen", "0+60x120"), 90, {"reason": "Unseen"}),
    Case("MentuCommandsWaitLong", oldest("Suspended", "0+60x120"), 90),
    Case("MentuCommandsNeedPeople", oldest("AgentNotFound", "0+60x60"), 30, {"reason": "AgentNotFound"}),
    Case("MentuCommandsNeedPeople", oldest("ConcurrencyLimitReached", "0+60x60"), 30),
    Case("MentuUnreadableCommands", {"mentu_unreadable_commands": "2x60"}, 20, {}),
    Case("MentuUnreadableCommands", {"mentu_unreadable_commands": "0x60"}, 20),
    Case("MentuAgentsStartSlowly", histogram("mentu_start_seconds_bucket", "120", "300"), 60, {}),
    Case("MentuAgentsStartSlowly", histogram("mentu_start_seconds_bucket", "30", "60"), 60),
    Case("MentuLogStoreDown", {STORE: "1x5 0x60"}, 10, {"instance": "gateway:8080"}),
    Case("MentuLogStoreDown", {STORE: "1 0 1 0 1 1x60"}, 10),
    Case("MentuLogStoreAway", {AWAY: "0+60x60"}, 10, EXECUTOR),
    Case("MentuLogStoreAway", {AWAY: "0x60"}, 10),
    Case("MentuLogsLate", histogram("mentu_log_lag_seconds_bucket", "30", "60"), 40, {}),
    Case("MentuLogsLate", histogram("mentu_log_lag_seconds_bucket", "0.1", "0.25"), 40),
    Case("MentuStoreJobsFailing", jobs("0+1x60"), 20, {"task": "index"}),
    Case("MentuStoreJobsFailing", jobs("0x10 1x60"), 20),
]


def test_the_rules_are_well_formed() -> None:
    promtool("check", "rules", str(RULES))


def test_each_alert_is_seen_to_fire_and_to_keep_quiet() -> None:
    rules = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert {case.alert for case in CASES if case.fires is not None} == rules
    assert {case.alert for case in CASES if case.fires is None} == rules


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    severities = {
        rule["alert"]: rule["labels"]["severity"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    }
    tests = [_as_promtool_has_it(case, severities[case.alert]) for case in CASES]
    file = tmp_path / "alerts.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file), cwd=tmp_path)


def test_a_rule_that_never_fires_would_be_noticed(tmp_path: Path) -> None:
    """The test of the test: promtool compares what fires, not only what it is asked about."""
    never = Case("MentuUnreadableCommands", {"mentu_unreadable_commands": "0x60"}, 20, {})
    file = tmp_path / "alerts.yaml"
    tests = [_as_promtool_has_it(never, "warning")]
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", str(file), cwd=tmp_path)


def _as_promtool_has_it(case: Case, severity: str) -> dict[str, Any]:
    firing = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
    labels = {"alertname": case.alert, "alertstate": "firing", "severity": severity, **(case.fires or {})}
    sample = {"labels": f"ALERTS{{{_matchers(labels)}}}", "value": 1}
    expected = [] if case.fires is None else [sample]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": f"{case.minute}m", "exp_samples": expected}],
    }


def _matchers(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())
