"""The chart of accounts. Codes are internal and stable; none is for rounding or suspense."""

from __future__ import annotations

from enum import StrEnum


class Account(StrEnum):
    """An account of the money ledger by its code."""

    CASH = "1000"
    RECEIVABLE = "1100"
    UNBILLED = "1150"
    CONTRACT_ASSET = "1160"
    CREDITS = "2000"
    MATERIAL_RIGHTS = "2010"
    UNALLOTTED = "2020"
    SERVICE_CREDITS = "2030"
    IN_TRANSIT = "2040"
    REFUND = "2110"
    BALANCE = "2150"
    TAX = "2200"
    USAGE = "4000"
    OVERAGE = "4010"
    SHORTFALL = "4020"
    SUBSCRIPTION = "4030"
    BREAKAGE = "4050"
    CONTRA_SERVICE_CREDITS = "4910"
    CONCESSIONS = "4920"
    CREDIT_LOSS = "6500"

    @property
    def path(self) -> str:
        """The name in the hierarchy that accounting tools read."""
        return _PATHS[self]


_PATHS = {
    Account.CASH: "Assets:Cash",
    Account.RECEIVABLE: "Assets:Receivable:Billed",
    Account.UNBILLED: "Assets:Receivable:Unbilled",
    Account.CONTRACT_ASSET: "Assets:ContractAsset",
    Account.CREDITS: "Liabilities:ContractLiability:Credits",
    Account.MATERIAL_RIGHTS: "Liabilities:ContractLiability:MaterialRights",
    Account.UNALLOTTED: "Liabilities:ContractLiability:Other",
    Account.SERVICE_CREDITS: "Liabilities:ContractLiability:ServiceCredits",
    Account.IN_TRANSIT: "Liabilities:ContractLiability:InTransit",
    Account.REFUND: "Liabilities:Refund:Payable",
    Account.BALANCE: "Liabilities:CustomerBalance",
    Account.TAX: "Liabilities:TaxPayable",
    Account.USAGE: "Income:Usage:Credits",
    Account.OVERAGE: "Income:Usage:Overage",
    Account.SHORTFALL: "Income:Shortfall",
    Account.SUBSCRIPTION: "Income:Subscription",
    Account.BREAKAGE: "Income:Breakage",
    Account.CONTRA_SERVICE_CREDITS: "Income:Contra:ServiceCredits",
    Account.CONCESSIONS: "Income:Contra:Concessions",
    Account.CREDIT_LOSS: "Expenses:CreditLoss",
}
