"""The demo on the screen: what happened, three customers, the books, and the proof."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from creditfold.cli import screen
from creditfold.cli.demo_customers import show_customers
from creditfold.cli.story_screen import account
from creditfold.contract.sums import plain
from creditfold.core.chart import Account
from creditfold.core.exact import decimal
from creditfold.demo.figures import Figures
from creditfold.demo.tie_out import Check, checks

RULES = {
    "R-BILL": "invoice issued",
    "R-PAY": "invoice paid",
    "R-PAY-FUNDS": "payment makes the sale final",
    "R-DRAW": "credit used",
    "R-DRAW-UNFUNDED": "credit used before it was billed",
    "R-EXPIRE": "credit expired: breakage",
    "R-REOPEN": "late usage reopens expired credit",
    "R-FORFEIT": "paid credit revoked",
    "R-ADJUST": "credit corrected",
    "R-REFUND": "refund approved",
    "R-CONCEDE": "used credit given back",
    "R-REFUND-PAID": "refund paid",
    "R-CHARGEBACK": "chargeback lost",
    "R-VOID": "invoice voided",
    "R-WRITEOFF": "invoice written off",
    "R-CREDIT-NOTE": "credit note",
    "R-APPLY-BAL": "balance applied",
    "R-TRANSFER": "credit moved between customers",
    "R-OVERAGE": "usage that no credit covered",
    "R-SHORTFALL": "less used than committed to",
    "R-SHORTFALL-PROP": "shortfall that is expected",
    "R-BILL-ARREARS": "billed in arrears",
}

TYPES_SHOWN = 6


def show(out: Console, figures: Figures) -> bool:
    """All sections; whether everything ties out."""
    _outcomes(out, figures)
    show_customers(out, figures)
    _due(out, figures)
    _overage(out, figures)
    _journal(out, figures)
    _trial_balance(out, figures)
    found = checks(figures)
    _tie_out(out, found)
    return all(check.ties for check in found)


def usd(cents: int) -> str:
    """Cents with both decimals and thousands, as statements print them."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def _outcomes(out: Console, figures: Figures) -> None:
    screen.heading(out, "What became of each fact", "every fact ends as exactly one outcome")
    rows = []
    for status, count in figures.statuses.most_common():
        kinds = [
            f"{n:,} {type_.removeprefix(f'{status} creditfold.').removesuffix('.v1')}"
            for type_, n in figures.types.most_common()
            if type_.startswith(f"{status} ")
        ]
        if status == "rejected":
            kinds = [f"{n} {code}: {figures.details[code]}" for code, n in figures.codes.items()]
        if status == "duplicate":
            kinds = ["sent again by a producer that had no answer; counted once"]
        shown = kinds[:TYPES_SHOWN]
        if len(kinds) > len(shown):
            shown.append("…")
        rows.append((status, f"{count:,}", ("\n" if status == "rejected" else ", ").join(shown)))
    lines = [(a, b, Text("\n".join(map(screen.clean, c.split("\n"))))) for a, b, c in rows]
    out.print(screen.table(("outcome", "facts", ""), lines, right=("facts",)))


def _due(out: Console, figures: Figures) -> None:
    if not figures.due:
        return
    screen.heading(out, "On time", "the clock is an input: each fell due at its very instant")
    rows = []
    for due in sorted(figures.due.values(), key=lambda due: (due.at, due.what)):
        moved = ", ".join(f"{plain(amount)} {unit}" for unit, amount in due.moved.items())
        what = {
            "expiry": "expired unused",
            "activation": "became usable",
            "invoice_due": "invoice due",
        }[due.what]
        earned = f"{usd(due.breakage)} USD" if due.breakage else ""
        rows.append((due.at, f"{due.blocks} blocks", f"{moved} {what}".lstrip(), earned))
    columns = ("instant", "of", "what", "breakage earned")
    out.print(screen.table(columns, rows, right=("of", "breakage earned")))


def _overage(out: Console, figures: Figures) -> None:
    owners = {owner for owner, _ in figures.overage}
    accrued, billed = figures.accrued(), sum(figures.billed.values())
    count, exact = sum(figures.overage_count.values()), plain(sum(figures.overage.values()))
    screen.heading(out, "Overage", "usage that no credit covered: priced, accrued, billed later")
    rows = [
        (
            "accrued",
            usd(accrued),
            f"{count:,} times, {len(owners)} customers; exactly {exact} USD",
        ),
        ("billed in arrears", usd(billed), f"{len(figures.billed)} customers"),
        ("still unbilled", usd(accrued - billed), "account 1150 holds it"),
    ]
    out.print(screen.table(("", "USD", ""), rows, right=("USD",)))


def _journal(out: Console, figures: Figures) -> None:
    count = sum(count for count, _ in figures.journal.values())
    screen.heading(
        out, "Journal by rule", f"{count:,} postings, each with its formula and operands"
    )
    order = list(RULES)
    rows = [
        (rule, RULES.get(rule, ""), account(debit), account(credit), f"{count:,}", usd(amount))
        for (rule, debit, credit), (count, amount) in sorted(
            figures.journal.items(), key=lambda item: (order.index(item[0][0]), item[0])
        )
    ]
    columns = ("rule", "when", "debit", "credit", "postings", "USD")
    out.print(screen.table(columns, rows, right=("postings", "USD")))


def _trial_balance(out: Console, figures: Figures) -> None:
    screen.heading(out, "Trial balance")
    rows: list[tuple[object, ...]] = []
    debits = credits_ = 0
    for code in sorted(figures.accounts):
        balance = figures.balance(code)
        debits += max(balance, 0)
        credits_ -= min(balance, 0)
        rows.append(
            (
                code,
                Account(code).path.replace(":", " · "),
                usd(balance) if balance > 0 else "",
                usd(-balance) if balance < 0 else "",
            )
        )
    rows.append(("", Text("sum", style="bold"), usd(debits), usd(credits_)))
    difference = debits - credits_
    style = "bold green" if difference == 0 else "bold red"
    sign = "✓" if difference == 0 else "✗"
    rows.append(
        (
            "",
            Text("debits - credits", style="bold"),
            "",
            Text(f"{sign} {usd(difference)}", style=style),
        )
    )
    out.print(screen.table(("", "account", "debit", "credit"), rows, right=("debit", "credit")))


def _tie_out(out: Console, found: list[Check]) -> None:
    screen.heading(
        out, "Tie-out", "postings on the left, recounted from units and facts on the right"
    )
    rows = []
    for check in found:
        sign = Text("✓", style="green") if check.ties else Text("✗ differs", style="bold red")
        rows.append((check.name, usd(check.left), sign, usd(check.right), check.says))
    out.print(
        screen.table(
            ("account", "posted", "", "recounted", ""), rows, right=("posted", "recounted")
        )
    )


def document(figures: Figures) -> dict[str, object]:
    """The same figures for a program: money in decimal strings, by account, rule and check."""
    found = checks(figures)
    return {
        "outcomes": dict(sorted(figures.statuses.items())),
        "codes": dict(sorted(figures.codes.items())),
        "overage": {
            "exact": plain(sum(figures.overage.values())),
            "accrued": decimal(figures.accrued(), 2),
            "billed": decimal(sum(figures.billed.values()), 2),
        },
        "journal": [
            {
                "rule": rule,
                "debit": debit,
                "credit": credit,
                "postings": count,
                "amount": decimal(amount, 2),
            }
            for (rule, debit, credit), (count, amount) in sorted(figures.journal.items())
        ],
        "balances": {code: decimal(figures.balance(code), 2) for code in sorted(figures.accounts)},
        "tie_out": [
            {
                "check": check.name,
                "posted": decimal(check.left, 2),
                "recounted": decimal(check.right, 2),
                "ties": check.ties,
            }
            for check in found
        ],
        "batches": figures.batches,
        "head": figures.head,
        "chains": len(figures.heads),
    }
