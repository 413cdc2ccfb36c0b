"""Creating a customer and changing what is known of it."""

from __future__ import annotations

from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.facts import CustomerCreated, CustomerUpdated
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import ACCOUNT, PROFILE, Account, Profile


def create(draft: Draft, body: CustomerCreated) -> Rejection | None:
    """Open the account; its currency never changes."""
    if body.currency not in MINOR_EXPONENT:
        return Rejection(Code.UNKNOWN_CURRENCY, f"{body.currency} is not a currency of ISO 4217")
    draft.put(ACCOUNT, "", Account(body.currency, draft.time))
    draft.put(PROFILE, "", Profile(body.time_zone, body.attributes))
    return None


def update(draft: Draft, body: CustomerUpdated) -> None:
    """Change what is given; an attribute of None is removed."""
    profile: Profile = draft.get(PROFILE)
    attributes = {**profile.attributes, **body.attributes}
    draft.put(
        PROFILE,
        "",
        Profile(
            body.time_zone or profile.time_zone,
            {name: value for name, value in attributes.items() if value is not None},
        ),
    )
