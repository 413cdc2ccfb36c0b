"""State records as bytes, and keys that sort by kind, customer and id."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from creditfold.core import (
    catalog,
    commitment_state,
    facts,
    invoice_state,
    journal,
    overage_state,
    program_state,
    state,
    statement_state,
    top_up_state,
)
from creditfold.core.state import Key
from creditfold.partition.rounds import ROUND, Round

FORMAT: Final = 1
"""Of all that is stored under keys; it rises with any change that older code would read wrongly."""

_TYPES: Final[dict[str, Any]] = {
    state.ACCOUNT: state.Account,
    state.PROFILE: state.Profile,
    state.TERMS: state.Terms,
    state.BLOCK: state.Block,
    state.WALLET: state.Wallet,
    state.AGENDA: state.Agenda,
    state.SEEN: state.Seen,
    state.PASSED: state.Passed,
    state.HOLD: state.Hold,
    top_up_state.TOP_UP: top_up_state.TopUps,
    invoice_state.INVOICE: invoice_state.Invoice,
    invoice_state.FUNDING: invoice_state.Funding,
    invoice_state.FUNDED: invoice_state.Funded,
    invoice_state.BALANCE: invoice_state.Balance,
    invoice_state.CREDIT_NOTE: invoice_state.CreditNote,
    state.TRANSFER: state.Transfer,
    overage_state.ACCRUAL: overage_state.Accrual,
    overage_state.OVERAGE: overage_state.OpenOverage,
    overage_state.CARRIED: overage_state.Carried,
    state.CHAIN: state.Chain,
    statement_state.STATEMENT: statement_state.Statement,
    statement_state.TALLY: statement_state.Tally,
    commitment_state.COMMITTED: commitment_state.Committed,
    commitment_state.COMMITMENT_TERM: commitment_state.CommitmentTerm,
    program_state.ENROLMENT: program_state.Enrolment,
    program_state.ATTACHMENT: program_state.Attachment,
    program_state.SUBSCRIPTION: program_state.Subscription,
    ROUND: Round,
    state.JOURNAL: journal.Item,
    catalog.UNIT: facts.UnitDeclared,
    catalog.METER: facts.MeterDeclared,
    catalog.CARD: catalog.CardVersions,
    catalog.POLICY: catalog.PolicyVersions,
    catalog.CLOCK: catalog.Clock,
    catalog.PROGRAM: catalog.ProgramVersions,
}

encode_record: Final = msgspec.msgpack.Encoder().encode
"""A state record as MessagePack."""

_decoders = {kind: msgspec.msgpack.Decoder(type_) for kind, type_ in _TYPES.items()}


def encode_key(key: Key) -> bytes:
    """Kind, customer, id: neither of the first two holds a NUL, so an id may hold any."""
    customer, kind, id_ = key
    return f"{kind}\0{customer}\0{id_}".encode()


def decode_key(data: bytes) -> Key:
    """The key whose bytes these are."""
    kind, customer, id_ = data.decode().split("\0", 2)
    return customer, kind, id_


def decode_record(kind: str, data: bytes) -> Any:  # noqa: ANN401  # the kind says which record
    """The state record of this kind."""
    return _decoders[kind].decode(data)
