"""Memory is bounded for all pods together and for each of them, and is given back."""

import pytest

from bugcommand_operator.gateway.admission import Admission
from bugcommand_operator.gateway.refusals import TryLater


def test_a_pod_cannot_take_the_room_of_the_others() -> None:
    admission = Admission(total=100, per_pod=40)

    with admission.reserve("greedy", 30):
        with pytest.raises(TryLater) as refusal, admission.reserve("greedy", 11):
            pass
        with admission.reserve("other", 40):
            pass
    assert (refusal.value.reason, refusal.value.status) == ("TooManyRequests", 503)


def test_all_pods_share_one_bound() -> None:
    admission = Admission(total=100, per_pod=60)

    with admission.reserve("a", 60), pytest.raises(TryLater) as refusal, admission.reserve("b", 41):
        pass
    assert refusal.value.reason == "Overloaded"
    assert refusal.value.headers() == {"Retry-After": "1"}


def test_room_is_given_back_whatever_happens() -> None:
    seen: list[int] = []
    admission = Admission(total=10, per_pod=10, observe=seen.append)

    for _ in range(3):
        with pytest.raises(RuntimeError), admission.reserve("a", 10):
            raise RuntimeError
    with admission.reserve("a", 10):
        pass
    assert seen == [10, 0] * 4
