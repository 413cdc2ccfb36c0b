"""What goes wrong with Kafka, each in one sentence that says what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

T = TypeVar("T")


class BrokerProblem(Exception):  # noqa: N818  # it says what is the case
    """Kafka cannot do what was asked; the message says why, and what to do."""


class Fenced(BrokerProblem):
    """Another producer has taken the same transactional id over; nothing of ours was left half."""


class NotDelivered(BrokerProblem):
    """Some facts are not on the log; `lost` names the first of them as (source, id)."""

    def __init__(self, message: str, count: int, lost: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.count = count
        self.lost = lost


class WrongTopics(BrokerProblem):
    """Topics are missing, or their partition counts differ."""


_UNREACHABLE: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT_QUEUE,
    }
)
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)
_REFUSED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError._SSL,
    }
)
_SETTLING: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)
_ADVICE: Final[dict[int, str]] = {
    **dict.fromkeys(
        _UNREACHABLE,
        "no broker at {at} answers; start it, or correct the address, and run the doctor",
    ),
    **dict.fromkeys(
        (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED),
        "the brokers at {at} refuse the credentials; correct sasl.username and sasl.password",
    ),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: (
        "the brokers at {at} do not offer that sasl.mechanism; name one that their listener has"
    ),
    KafkaError._SSL: (
        "TLS with {at} fails; set ssl.ca.location to the authority that signed its certificate "
        "and, where it asks for yours, ssl.certificate.location and ssl.key.location"
    ),
    **dict.fromkeys(
        (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        "this user of {at} may not do that; have its administrator grant the permission",
    ),
    **dict.fromkeys(
        (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC),
        "{at} does not have the topic; create the topics first",
    ),
    KafkaError._NOENT: (
        "{at} does not have it, or no broker leads it; create the topics first, or start the "
        "brokers that are down"
    ),
    KafkaError._UNKNOWN_PARTITION: (
        "{at} does not have the topic, or not as many partitions; create the topics first, and "
        "compare their counts with `describe`"
    ),
    **dict.fromkeys(
        (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE),
        "the record is larger than the topic takes; send smaller events, or raise "
        "max.message.bytes of all input topics and, above them, of the dead letters",
    ),
    KafkaError.INVALID_REPLICATION_FACTOR: (
        "the cluster at {at} has fewer brokers than replicas were asked for; ask for fewer"
    ),
    KafkaError.INVALID_TIMESTAMP: (
        "the broker takes no record of that time (message.timestamp.before/after.max.ms); "
        "correct the event's recordedtime, or the topic's setting"
    ),
    KafkaError.NOT_ENOUGH_REPLICAS: (
        "too few replicas of the topic are in sync; start the brokers that are down"
    ),
    KafkaError.POLICY_VIOLATION: (
        "a policy of the cluster at {at} forbids it; ask for what its administrator allows"
    ),
}


def error_of(problem: KafkaException) -> KafkaError:
    """The error inside the client's exception."""
    found = problem.args[0]
    assert isinstance(found, KafkaError)
    return found


def code_of(error: KafkaError) -> int:
    """The error's code; what the broker's side of TLS refuses comes as an error of transport."""
    return KafkaError._SSL if "tls alert" in error.str() else error.code()


def is_unreachable(error: KafkaError) -> bool:
    """Whether no broker has answered, as opposed to one that refuses."""
    return code_of(error) in _UNREACHABLE


def is_refused(error: KafkaError) -> bool:
    """Whether the brokers answered that this client may not come in, or it does not trust them."""
    return code_of(error) in _REFUSED


def is_fenced(error: KafkaError) -> bool:
    """Whether another producer has taken over."""
    return error.code() in _FENCED


def patiently(call: Callable[[], T], seconds: float) -> T:
    """What the call returns; asked again while the cluster finds out who coordinates or leads."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except KafkaException as problem:
            if error_of(problem).code() not in _SETTLING or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def sentence(doing: str, at: str, error: KafkaError) -> str:
    """`doing` failed: why, and what to do, in one sentence."""
    advice = _ADVICE.get(code_of(error))
    why = advice.format(at=at) if advice else f"{error.str()} ({error.name()}); run the doctor"
    return f"{doing} failed: {why}"


def explained(doing: str, at: str, problem: KafkaException) -> BrokerProblem:
    """The problem to raise where the client raised."""
    return BrokerProblem(sentence(doing, at, error_of(problem)))
