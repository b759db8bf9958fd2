"""The report's frame: style for screen, phone and paper, and tables that a phone shows as cards."""

from collections.abc import Collection, Sequence
from html import escape

STYLE = """
*{box-sizing:border-box}
body{font:15px/1.55 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans SC","PingFang SC","Microsoft YaHei",
sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#222;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .3rem}h2{font-size:1.3rem;margin:2.4rem 0 .6rem;padding-top:.4rem;
border-top:2px solid #417178}h3{font-size:1.03rem;margin:1.5rem 0 .4rem}p{margin:.45rem 0;max-width:52rem}
table{border-collapse:collapse;width:100%;margin:.4rem 0 .3rem}th,td{text-align:left;padding:.35rem .5rem;
border-bottom:1px solid #e6e6e6;vertical-align:top}th{font-weight:600;background:#f5f7f7;font-size:.9em}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}td.w{min-width:9rem}
svg{display:block}.bar{margin:.3rem 0}.rate{margin-top:.3rem;min-width:5rem}
.note{color:#555;font-size:.9em}.src{color:#666;font-size:.8em;margin:.1rem 0 .8rem}
.brief{background:#f2f6f6;border-left:4px solid #417178;padding:.5rem 1rem;margin:1rem 0}
.assumed{border:1px dashed #a8433a;padding:.4rem 1rem;margin:1rem 0}
.key{display:inline-block;margin:0 1.1rem .2rem 0;white-space:nowrap}
.key i{display:inline-block;width:.85em;height:.85em;margin-right:.35em;vertical-align:-.05em}
dl.guide{display:grid;grid-template-columns:1fr 1fr;gap:.5rem 2rem;margin:.5rem 0}dt{font-weight:600}dd{margin:0}
ul{margin:.3rem 0;padding-left:1.2rem}h4{margin:1rem 0 .2rem}a{color:#2c5d64}.interval{overflow:visible}
@media screen and (max-width:700px){body{margin:1rem auto}dl.guide{grid-template-columns:1fr}
table,tbody,tr{display:block;width:100%}thead,td.x{display:none}
tr{border:1px solid #ddd;border-radius:4px;margin:.5rem 0;padding:.3rem .2rem}
td{display:grid;grid-template-columns:8.5rem minmax(0,1fr);gap:.5rem;border:0;padding:.15rem .5rem}
td.n{text-align:left;white-space:normal}td:before{content:attr(data-label);color:#666;font-size:.82em}}
@media print{body{max-width:none;margin:0;font-size:10pt}table{font-size:8.5pt}th,td{padding:.2rem .3rem}
td .key{margin:0;white-space:normal}.rate{min-width:3rem}h2{break-after:avoid}h3{break-after:avoid}
tr,svg,.brief,.assumed{break-inside:avoid}thead{display:table-header-group}section.role{break-before:page}a{color:inherit}}
"""


def page(language: str, title: str, body: str) -> str:
    """A whole HTML file."""
    return (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = (), wide: Collection[int] = ()
) -> str:
    """A table of escaped cells; columns in `numbers` stand to the right, those in `wide` keep room for a chart.

    On a phone a row is a card, and what is "-" or empty is left out.
    """

    def kind(column: int, cell: str = "") -> str:
        nothing = cell in ("-", "") and column > 0
        names = ["n"] * (column in numbers) + ["w"] * (column in wide) + ["x"] * nothing
        return f' class="{" ".join(names)}"' if names else ""

    top = "".join(f"<th{kind(i, cell)}>{cell}</th>" for i, cell in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f'<td{kind(i, cell)} data-label="{head[i]}"><div>{cell}</div></td>' for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def bullets(lines: Sequence[str]) -> str:
    """A list of escaped lines."""
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>" if lines else ""
