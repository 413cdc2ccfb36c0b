"""Three customers whose credit did different things, one bar a block."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from creditfold.cli import screen
from creditfold.contract.sums import plain
from creditfold.demo.figures import Figures, Flow

BAR = 16


class _Story(NamedTuple):
    title: str
    customer: str


def show_customers(out: Console, figures: Figures) -> None:
    """Grants, burn-down and overage of each."""
    stories = _stories(figures)
    screen.heading(out, "Three customers" if len(stories) > 2 else "Customers")
    for story in stories:
        line = Text(f"  {story.customer}", style="bold cyan")
        line.append(f"  {story.title}", style="not bold default")
        out.print(line)
        flows = _flows(figures, story.customer)
        if flows:
            rows = [_row(flow) for flow in flows]
            columns = ("block", "granted", "", "used", "expired", "left", "paid for", "earned")
            right = ("granted", "used", "expired", "left", "paid for", "earned")
            out.print(screen.table(columns, rows, right=right, fixed=("",)))
        _overage(out, figures, story.customer)
        out.print()
    legend = Text("  ")
    for sign, style, word in (
        ("█", "blue", "used"),
        ("▒", "green", "left"),
        ("░", "red", "expired"),
    ):
        legend.append(f"{sign * 2} ", style=style)
        legend.append(f"{word}   ", style="dim")
    out.print(legend)


def _flows(figures: Figures, customer: str) -> list[Flow]:
    found = [flow for flow in figures.flows.values() if flow.customer == customer and flow.granted]
    return sorted(found, key=lambda flow: (flow.value > 0, flow.effective_at, flow.block))


def _stories(figures: Figures) -> list[_Story]:
    """The customer to whom most of each story happened; none is told twice."""
    scores: dict[str, list[tuple[int, str]]] = {}
    for customer in figures.heads:
        flows = _flows(figures, customer)
        paid = [flow for flow in flows if flow.value]
        drawn = min((flow.drawn for flow in paid), default=0)
        lapsed = max((flow.expired for flow in paid), default=0)
        free = min((flow.drawn for flow in flows if not flow.value), default=0)
        over = figures.accrued(customer)
        for title, score in (
            ("credit that expires half used, and more that begins then", min(lapsed, drawn)),
            (
                "free credit first, then the paid pack, then overage",
                over if free and drawn else 0,
            ),
            ("pays as it goes: all overage, billed afterwards", figures.billed[customer]),
        ):
            scores.setdefault(title, []).append((score, customer))
    stories: list[_Story] = []
    for title, found in scores.items():
        score, customer = max(found)
        if score and all(story.customer != customer for story in stories):
            stories.append(_Story(title, customer))
    return stories


def _row(flow: Flow) -> tuple[object, ...]:
    parts = [(flow.drawn, "█", "blue"), (flow.left, "▒", "green"), (flow.expired, "░", "red")]
    money = ("free", "") if not flow.value else (_usd(flow.value), _usd(flow.earned))
    return (
        flow.block,
        f"{plain(flow.granted)} {flow.unit}",
        screen.bar(parts, BAR),
        *(plain(amount) if amount else "" for amount in (flow.drawn, flow.expired, flow.left)),
        *money,
    )


def _usd(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"


def _overage(out: Console, figures: Figures, customer: str) -> None:
    accrued = figures.accrued(customer)
    if not accrued:
        return
    billed = figures.billed[customer]
    text = f"    overage {_usd(accrued)} USD in {figures.overage_count[customer]:,} usage events"
    text += f", {_usd(billed)} of it billed" if billed else ", not billed yet"
    out.print(text)
