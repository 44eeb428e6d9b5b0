"""The reports' style sheet. Every rule is scoped to one class, so that none leaks into a notebook."""

__all__ = ["SCOPE", "bars_style", "page_style", "report_style", "timeline_style"]

SCOPE = "lingua-report"

_LIGHT = """
  --paper: #ffffff; --card: #ffffff; --line: #d9dee5; --ink: #1b2330; --soft: #566173; --dropped: #6b7484;
  --kept: #dff5e5; --kept-line: #16803f; --kept-ink: #10301d; --track: #e6e9ee; --note: #fff6dd;
  --note-line: #b7791f; --gap: #f3f5f8;
"""
_DARK = """
  --paper: #12161c; --card: #181d25; --line: #303845; --ink: #e8ecf2; --soft: #a3aebf; --dropped: #8d98a9;
  --kept: #173a26; --kept-line: #4ccb7f; --kept-ink: #e4f8eb; --track: #2b3340; --note: #352b12;
  --note-line: #e0aa4a; --gap: #202632;
"""

_RULES = """
@ { background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", sans-serif; text-align: start; box-sizing: border-box; }
@ * { box-sizing: border-box; }
@ .eyebrow { margin: 0; color: var(--soft); font-size: .8rem; font-weight: 600; letter-spacing: .04em; }
@ h1 { margin: .2rem 0 1.1rem; font-size: 1.6rem; line-height: 1.3; font-weight: 650;
  overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: plaintext; }
@ h1.none { color: var(--soft); font-weight: 500; }
@ h2 { margin: 0; font-size: 1.02rem; line-height: 1.35; font-weight: 650; overflow-wrap: anywhere; }
@ .section { margin: 2rem 0 .7rem; color: var(--soft); font-size: .95rem; font-weight: 600; }
@ .tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0; padding: 0; }
@ .tile { flex: 1 1 10rem; margin: 0; padding: .7rem .9rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--card); }
@ .tile dt { margin: 0; padding: 0; color: var(--soft); font-size: .8rem; font-weight: 500; }
@ .tile dd { margin: .1rem 0 0; padding: 0; font-size: 1.35rem; font-weight: 650; line-height: 1.3;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
@ .bar { height: 8px; margin: 1rem 0 .5rem; border-radius: 4px; background: var(--track); overflow: hidden;
  direction: ltr; }
@ .bar span { display: block; height: 100%; background: var(--kept-line); }
@ .facts { margin: 0; color: var(--soft); font-size: .88rem; overflow-wrap: anywhere; }
@ .notes { margin: 1rem 0 0; padding: .7rem 1rem .7rem 2rem; border-inline-start: 4px solid var(--note-line);
  border-radius: 6px; background: var(--note); font-size: .92rem; }
@ .legend { margin: 1.1rem 0 0; color: var(--soft); font-size: .88rem; }
@ .card { margin: 0 0 .9rem; border: 1px solid var(--line); border-radius: 10px; background: var(--card);
  overflow: hidden; }
@ .head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1rem; padding: .8rem 1rem; }
@ .head h2 { flex: 1 1 16rem; }
@ .head .id { color: var(--soft); font-size: .85rem; font-weight: 400; }
@ .head .figures { color: var(--soft); font-size: .85rem; font-variant-numeric: tabular-nums; }
@ .head .figures b { color: var(--ink); font-weight: 600; }
@ .card > .bar { height: 3px; margin: 0; border-radius: 0; }
@ summary { cursor: pointer; }
@ .card > summary { list-style: none; }
@ .card > summary:hover { background: var(--gap); }
@ .card > summary::-webkit-details-marker { display: none; }
@ .card > summary h2::before { content: "\\25B8"; display: inline-block; width: 1.1em; color: var(--soft); }
@ .card[open] > summary h2::before { content: "\\25BE"; }
@ .text { padding: .9rem 1rem 1rem; border-top: 1px solid var(--line); color: var(--dropped);
  white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4; unicode-bidi: plaintext; text-align: start; }
@ .text.plain { color: var(--ink); }
@ mark { padding: .08em .15em; border-inline-start: 3px solid var(--kept-line); border-radius: 2px;
  background: var(--kept); color: var(--kept-ink); font-weight: 500; text-decoration: underline;
  text-decoration-color: var(--kept-line); text-decoration-thickness: 1px; text-underline-offset: 3px;
  -webkit-box-decoration-break: slice; box-decoration-break: slice; }
@ mark:has(.fixed) { text-decoration: none; }
@ .text .fixed { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace;
  font-size: .87em; }
@ .text span[title]:hover { outline: 1px dotted var(--soft); outline-offset: 1px; }
@ .gap { margin: .6rem 0; white-space: normal; }
@ .gap > summary { display: inline-block; padding: .1rem .7rem; border-radius: 6px; background: var(--gap);
  color: var(--soft); font-size: .85rem; }
@ .gap > summary::before { content: "\\25B8"; display: inline-block; width: 1.2em; }
@ .gap[open] > summary::before { content: "\\25BE"; }
@ .gap > div { padding: .3rem 0 .2rem; white-space: pre-wrap; unicode-bidi: plaintext; }
@ .gap .edge { white-space: normal; }
@ .sample { color: var(--dropped); }
@ :focus-visible { outline: 2px solid var(--kept-line); outline-offset: -2px; }
"""

_PRINT = "@media print { @ .card { break-inside: auto; } @ mark { -webkit-print-color-adjust: exact; } }"

_PAGE = """
html { background: #ffffff; color-scheme: light dark; }
body { margin: 0; }
body > @ { max-width: 62rem; margin: 0 auto; padding: 2.2rem 1.4rem 3rem; }
@media (prefers-color-scheme: dark) { html { background: #12161c; } }
@media (max-width: 40rem) { body > @ { padding: 1.2rem .8rem 2rem; } }
"""

_FRAGMENT = """
@.fragment { max-height: 42rem; overflow: auto; padding: 1rem; border: 1px solid var(--line);
  border-radius: 10px; font-size: 14px; }
[data-jp-theme-light="true"] @ { LIGHT }
[data-jp-theme-light="false"] @ { DARK }
"""


_TIMELINE = """
@ .chart { position: relative; margin: 0; padding: 1.8rem 0 .4rem; direction: ltr; }
@ .grid { position: absolute; inset: 0 0 0 13rem; pointer-events: none; }
@ .grid i { position: absolute; top: 1.5rem; bottom: 0; border-left: 1px solid var(--line); }
@ .grid b { position: absolute; top: 0; transform: translateX(-50%); color: var(--soft); font-size: .78rem;
  font-weight: 500; font-variant-numeric: tabular-nums; white-space: nowrap; }
@ .row { display: flex; align-items: center; height: 1.9rem; }
@ .row .name { flex: 0 0 13rem; padding-right: .7rem; overflow: hidden; color: var(--ink); font-size: .86rem;
  text-align: right; text-overflow: ellipsis; white-space: nowrap; }
@ .row .lane { position: relative; flex: 1; height: 1.15rem; }
@ .lane span { position: absolute; top: 0; height: 100%; min-width: 2px; }
@ .lane .wait { background: var(--track); border-radius: 3px 0 0 3px; }
@ .lane .write { background: var(--kept-line); border-radius: 0 3px 3px 0; }
@ .lane .failed { background: repeating-linear-gradient(45deg, var(--note-line) 0 5px, var(--note) 5px 9px);
  }
@ .lane em { position: absolute; top: 0; padding-left: .4rem; color: var(--soft); font-size: .76rem;
  font-style: normal; line-height: 1.15rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
@ .lane em.before { padding: 0 .4rem 0 0; transform: translateX(-100%); }
@ .key { display: inline-block; width: 1.6em; height: .75em; margin: 0 .3em 0 .8em; border-radius: 2px; }
@ .key.wait { background: var(--track); } @ .key.write { background: var(--kept-line); }
@ .key.failed { background: var(--note-line); }
@ .lane em.inside { color: var(--paper); }
@ .sources { margin: 0; padding: .6rem 1rem .7rem; border-top: 1px solid var(--line); list-style: none;
  color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
@ .sources .cited { color: var(--ink); font-weight: 600; } @ .sources small { font-weight: 400; }
@ .tiles + .facts { margin-top: .8rem; } @ .tile { flex-basis: 8.5rem; }
@media (max-width: 40rem) { @ .row .name { flex-basis: 5.5rem; } @ .grid { left: 5.5rem; } }
"""


_BARS = """
@ .section small { font-weight: 400; }
@ .line { display: flex; align-items: center; height: 1.9rem; direction: ltr; }
@ .line .name { flex: 0 0 17rem; padding-right: .7rem; font-size: .86rem; text-align: right; }
@ .line .lane { display: flex; flex: 1; align-items: center; height: 1.15rem; min-width: 0; }
@ .line i { height: 100%; min-width: 1px; }
@ .line .full { background: var(--kept-line); }
@ .line .light { background: repeating-linear-gradient(45deg, var(--kept-line) 0 2px, var(--kept) 2px 6px); }
@ .line em { padding-left: .45rem; color: var(--soft); font-size: .8rem; font-style: normal;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 40rem) { @ .line { display: block; height: auto; margin: .5rem 0; }
  @ .line .name { text-align: left; } }
"""


def bars_style() -> str:
    """The rules of bar charts, beside those of a report."""
    return _scoped(_BARS)


def timeline_style() -> str:
    """The rules of a timeline, beside those of a report."""
    return _scoped(_TIMELINE)


def report_style(*, fragment: bool = False) -> str:
    """The rules of a report; for a fragment also a frame, and the notebook's own theme."""
    rules = f"@ {{ {_LIGHT} }}\n@media (prefers-color-scheme: dark) {{ @ {{ {_DARK} }} }}{_RULES}{_PRINT}"
    if fragment:
        rules += _FRAGMENT.replace("LIGHT", _LIGHT).replace("DARK", _DARK)
    return _scoped(rules)


def page_style() -> str:
    """The rules around a report that fills a page of its own."""
    return _scoped(_PAGE)


def _scoped(rules: str) -> str:
    """Put the scope where the sheet says `@`, but leave `@media` alone."""
    return rules.replace("@media", "\0").replace("@", f".{SCOPE}").replace("\0", "@media")
