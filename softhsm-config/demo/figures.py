"""The lines of the scheme's two figures, linking and exchange, each ticked by the step of the demo that shows it.

A line without its evidence ends the demo: nothing is ticked that was not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from layout import DemoError
from rich.console import Console
from rich.table import Table
from summary import Summary


@dataclass(frozen=True)
class Line:
    """One line of a figure. ``shown``: what was counted, or None if it was not shown."""

    figure: str
    text: str
    shown: Callable[[Summary], str | None]


def _count(text: str, *path: str) -> Callable[[Summary], str | None]:
    """``text`` with a number of the summary in it, if there is one and it is not 0."""

    def shown(summary: Summary) -> str | None:
        found: object = getattr(summary, path[0])
        for name in path[1:]:
            found = found.get(name) if isinstance(found, dict) else None
        return text.format(found) if isinstance(found, int) and found > 0 else None

    return shown


def _has(text: str, of: str, *, value: str) -> Callable[[Summary], str | None]:
    """``text``, if an entry of the summary has that value."""
    return lambda summary: text if value in dict(getattr(summary, of)).values() else None


LINKING = "Linking 紐付け（分野C）"
EXCHANGE = "Exchange 情報連携（B→E）"
PERSON = "Portal and oversight 本人・監視機関"
LINES = (
    Line(
        LINKING,
        "住基ネット → 付番機関: 住民票コードと4情報",
        _count("{:,} residents' codes and attributes read", "residents"),
    ),
    Line(
        LINKING,
        "住民票コード → 国民ID → 連携用番号（分野C）",
        _count("{:,} numbers of sspin.C made", "linking", "C", "linked"),
    ),
    Line(
        LINKING,
        "分野C → 付番機関: 4情報と既存番号",
        _count("{:,} people in the request's file", "linking", "C", "requests"),
    ),
    Line(
        LINKING,
        "突合できた者: 連携用番号を既存番号と対にして保存",
        _count("{:,} pairs stored", "linking", "C", "linked"),
    ),
    Line(
        LINKING,
        "突合できない場合は、分野C担当部局側で必要な調査",
        _count("{:,} corrected after inquiry", "second_round", "corrected"),
    ),
    Line(LINKING, "調査の結果を再度照会", _count("{:,} of them linked then", "second_round", "linked")),
    Line(
        LINKING,
        "二つの分野の番号は、鍵を持たない者には結び付けられない",
        _count("{:,} pairs agree, by the keys alone", "checked_pairs"),
    ),
    Line(EXCHANGE, "B → 情報連携基盤: 連携用番号（B）と照会内容", _count("{:,} questions", "exchanges", "questions")),
    Line(
        EXCHANGE,
        "情報連携基盤: 法的根拠により許可する",
        _count("{:,} answered under a legal basis", "exchanges", "answered"),
    ),
    Line(EXCHANGE, "情報連携基盤: 根拠のない照会を拒む", _has("refused, and recorded", "outcomes", value="refused")),
    Line(
        EXCHANGE,
        "連携用番号（B）→ 国民ID → 連携用番号（E）",
        _count("{:,} people at once, in batches", "batch", "answered"),
    ),
    Line(
        EXCHANGE,
        "誤った番号・他分野の番号を拒む",
        _has("unknown numbers are nobody's", "refusals", value="unknown_number"),
    ),
    Line(EXCHANGE, "E → 情報連携基盤 → B: 回答", _has("answered, also days later", "outcomes", value="answered")),
    Line(
        EXCHANGE,
        "Eに番号がない者: 紐付けののちに回答",
        _has("waited for linking, then answered", "outcomes", value="awaiting_linking"),
    ),
    Line(EXCHANGE, "期限内に回答のない照会は失効する", _has("expired", "outcomes", value="expired")),
    Line(
        EXCHANGE, "鍵の更新中も誤った回答をしない", _count("{:,} answered during the rotation", "rotation", "answered")
    ),
    Line(
        EXCHANGE,
        "情報連携基盤は個人情報を保有しない",
        _count("{:,} lines of its journal, none with a number or a name", "hub_lines"),
    ),
    Line(
        PERSON, "ICカード（公的個人認証）でポータルサイトに入る", _has("let in by the card", "sign_ins", value="let in")
    ),
    Line(PERSON, "失効したカードを拒む", _has("refused, and recorded", "sign_ins", value="revoked")),
    Line(PERSON, "誰が、いつ、何のために変換したかを本人が見る", _count("{:,} entries", "history", "conversions")),
    Line(
        PERSON,
        "各記録は、連署された監査記録により証明される",
        _count("{:,} co-signed on the page", "history", "cosigned"),
    ),
    Line(PERSON, "覚えのない記録の申出が監視機関に届く", _count("receipt {}", "desk", "receipt")),
    Line(PERSON, "監視機関が監査記録に連署する", _count("{:,} records", "cosigned")),
)


def tick(console: Console, summary: Summary) -> None:
    """Write every line with its evidence into the summary, and show them.

    Raises:
        DemoError: a line was not shown.
    """
    for line in LINES:
        shown = line.shown(summary)
        if shown is None:
            raise DemoError(f"not shown: {line.figure}: {line.text}")
        summary.figures.setdefault(line.figure, {})[line.text] = shown
    table = Table(title="The scheme's figures, line by line", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("line")
    table.add_column("shown by")
    for figure, lines in summary.figures.items():
        table.add_row("", f"[bold]{figure}[/]", "")
        for text, shown in lines.items():
            table.add_row("[green]✓[/]", text, shown)
    console.print(table)
