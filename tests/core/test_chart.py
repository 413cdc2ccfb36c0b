"""The chart of accounts: one code and one path each, and none to hide a difference in."""

from __future__ import annotations

import pytest

from creditfold.core.chart import Account

ROOTS = {
    "1": "Assets",
    "2": "Liabilities",
    "3": "Equity",
    "4": "Income",
    "6": "Expenses",
    "7": "Expenses",
}


@pytest.mark.parametrize("account", Account)
def test_an_accounts_path_begins_with_what_its_code_says(account):
    assert ROOTS[account.value[0]] == account.path.split(":")[0]
    assert 4 == len(account.value)


def test_no_two_accounts_share_a_path_and_none_is_for_rounding():
    paths = [account.path for account in Account]
    assert len(paths) == len(set(paths))
    assert [] == [p for p in paths if any(w in p.lower() for w in ("round", "suspense", "adjust"))]
