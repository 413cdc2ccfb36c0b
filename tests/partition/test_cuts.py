"""Cutting the same inputs into batches anywhere gives the same outcomes and postings."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.contract.encode import digest
from local.desk import catalog, history, strange, to_inputs
from partition.batches import events_of, fold_in, fresh, log_of, numbered, told
from properties.events import DAY, HOUR, START, Event, fact, instant, text

UNTIL = START + 60 * DAY
HISTORY = numbered([*to_inputs(history()), *strange()])


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Two customers whose blocks begin and end while others act, policies among them."""
    events, now = catalog(), START
    for n in range(draw(st.integers(4, 24))):
        now += draw(st.sampled_from([0, HOUR, DAY, 4 * DAY]))
        customer = draw(st.sampled_from(["ada", "bo"]))
        match draw(
            st.sampled_from(
                ["created", "grant", "use", "invoice", "pay", "policy", "program", "plan"]
            )
        ):
            case "created":
                kind, data = "customer.created", {"currency": "USD"}
            case "grant":
                begin = now + draw(st.sampled_from([-DAY, 0, 2 * DAY]))
                end = begin + draw(st.sampled_from([DAY // 2, 3 * DAY, 90 * DAY]))
                kind = "credit.granted"
                data = {
                    "block": draw(st.sampled_from("xyz")) + str(n % 3),
                    "kind": "paid",
                    "unit": "USD",
                    "quantity": "7",
                    "effective_at": text(begin),
                    "expires_at": text(end),
                    "value": {"amount": "5", "currency": "USD"},
                }
            case "invoice":
                kind = "invoice.issued"
                data = {
                    "invoice": f"i{n % 4}",
                    "currency": "USD",
                    "due_at": text(now + 3 * DAY),
                    "recognition": draw(st.sampled_from(["on_issue", "on_due", "on_payment"])),
                    "lines": [{"line": "1", "amount": "5", "sells": [{"block": f"x{n % 3}"}]}],
                }
            case "pay":
                kind, data = "invoice.paid", {"invoice": f"i{n % 4}", "amount": "2"}
            case "policy":
                kind, customer = "policy.published", None
                data = {
                    "version": n + 1,
                    "effective_from": text(now + n * HOUR),
                    "author": "a",
                    "reason": "r",
                    "keys": draw(
                        st.sampled_from(
                            [
                                {},
                                {"draw.order": ["smaller_first"]},
                                {"invoice.recognition": "on_payment"},
                            ]
                        )
                    ),
                }
            case "program":
                kind, customer = "program.published", None
                data = {
                    "program": draw(st.sampled_from("pq")),
                    "version": n + 1,
                    "effective_from": text(now + draw(st.sampled_from([-DAY, 0, 2 * DAY]))),
                    "who": {"field": "subscription.plan", "eq": "pro"},
                    "grant": {
                        "kind": "promotional",
                        "unit": "USD",
                        "quantity": draw(st.sampled_from(["3", "5"])),
                        "expires": "period_end",
                    },
                    "every": draw(st.sampled_from(["P2D", "week"])),
                    "proration": {"first": "by_second", "last": "by_second"},
                }
            case "plan":
                kind = draw(st.sampled_from(["started", "changed", "cancelled", "renewed"]))
                data = {"subscription": "s"}
                if kind in ("started", "changed"):
                    data["plan"] = draw(st.sampled_from(["pro", "free"]))
                if kind in ("cancelled", "changed"):
                    data["at_period_end"] = draw(st.booleans())
                if kind == "started":
                    data["period"] = "P3D"
                kind = f"subscription.{kind}"
            case _:
                kind = "usage.recorded"
                meter = draw(st.sampled_from(["calls", "tokens", "pings"]))
                data = {"meter": meter, "quantity": draw(st.sampled_from(["1", "4"]))}
        at = now - draw(st.sampled_from([0, 0, HOUR, DAY]))
        events.append(fact(kind, data, id=f"f{n}", at=at, customer=customer, recorded=now))
    return events


@given(lives(), st.lists(st.integers(0, 32), max_size=12))
def test_any_cut_gives_the_same_as_none(events, cuts):
    records = log_of(events)
    assert told(fold_in(records, (), UNTIL)) == told(fold_in(records, cuts, UNTIL))


@given(lives(), st.lists(st.integers(0, 32), max_size=12), st.integers(1, 5))
def test_a_sweep_that_is_cut_short_gives_the_same_and_its_headers_tell_where(events, cuts, due_max):
    records = log_of(events)
    batches = fold_in(records, cuts, UNTIL, due_max)
    assert told(fold_in(records, (), UNTIL)) == told(batches)
    replica, rest = fresh(), iter(records)
    for batch in batches:
        header = events_of(batch.outputs[:1])[0]["data"]
        taken = list(itertools.islice(rest, sum(count for *_, count in header["in"])))
        again = replica.refold(taken, instant(header["now"]), header["due"])
        assert batch.outputs == again.outputs


@pytest.mark.parametrize("step", [1, 2, 5, 1_000])
def test_the_history_of_the_other_tests_may_be_cut_anywhere_too(step):
    whole = told(fold_in(HISTORY, (), UNTIL))
    assert whole == told(fold_in(HISTORY, range(0, len(HISTORY), step), UNTIL))


def test_a_policy_for_the_past_does_not_reach_what_had_fallen_due_before_it():
    """An expiry due at t=10 is under the policy that was known then, wherever the batch is cut."""
    events = catalog()
    block = {
        "block": "b",
        "kind": "paid",
        "unit": "USD",
        "quantity": "7",
        "expires_at": text(START + DAY),
        "value": {"amount": "5", "currency": "USD"},
    }
    issued = {
        "invoice": "i",
        "currency": "USD",
        "lines": [{"line": "1", "amount": "5", "sells": [{"block": "b"}]}],
    }
    published = {
        "version": 1,
        "effective_from": text(START),
        "author": "a",
        "reason": "r",
        "keys": {"invoice.recognition": "on_payment"},
    }
    events += [
        fact("customer.created", {"currency": "USD"}, id="c", at=START, customer="c"),
        fact("credit.granted", block, id="g", at=START, customer="c"),
        fact("invoice.issued", issued, id="i", at=START, customer="c"),
        fact("customer.created", {"currency": "USD"}, id="d", at=START + 2 * DAY, customer="d"),
        fact("policy.published", published, id="p", at=START + 3 * DAY),
    ]
    records = log_of(events)
    whole = told(fold_in(records, (), UNTIL))
    assert whole == told(fold_in(records, range(len(records)), UNTIL))


@given(st.lists(st.integers(0, 40), max_size=10))
def test_headers_number_chain_and_join_and_their_time_never_goes_back(cuts):
    prev, now = "", 0
    ends: dict[str, int] = {}
    for number, batch in enumerate(fold_in(HISTORY, cuts, UNTIL), 1):
        data = events_of(batch.outputs[:1])[0]["data"]
        assert (number, prev) == (data["batch"], data["prev"])
        assert now <= instant(data["now"]) == batch.position.now
        prev, now = data["out"], batch.position.now
        assert prev == batch.position.out
        for topic, start, end, count in data["in"]:
            assert (ends.get(topic, 0), count) == (start, end - start)
            ends[topic] = end
        assert ends == batch.position.offsets
    assert len(HISTORY) == sum(ends.values())


def test_a_digest_tells_apart_what_is_sent_with_no_key_an_empty_key_and_moved_bytes():
    output = fold_in(HISTORY, (), UNTIL)[0].outputs[1]
    variants = [
        output,
        output._replace(key=None),
        output._replace(key=b""),
        output._replace(value=output.value + b" "),
        output._replace(topic=output.topic + "x"),
        output._replace(headers=output.headers[1:]),
        output._replace(headers=(*output.headers, ("a", b"b"))),
        output._replace(headers=(*output.headers, ("ab", b""))),
    ]
    digests = [digest(b"", [each]) for each in variants]
    digests += [digest(b"p", [output]), digest(b"", [output, output]), digest(b"", [])]
    assert len(digests) - 1 == len(set(digests)), "the first two are the same record"
