"""What is around every report that fills a page of its own."""

from lingua_core.report.escaping import escaped
from lingua_core.report.style import SCOPE, page_style, report_style

__all__ = ["html_page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing may be loaded or run, even if an escape were missing."""


def html_page(title: str, body: str, *, style: str = "") -> str:
    """A self-contained HTML document.

    Args:
        title: Plain text.
        body: HTML, everything in it escaped.
        style: Rules beside those of all reports.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escaped(title)}</title>\n"
        f"<style>{report_style()}{page_style()}{style}</style>\n</head>\n<body>\n"
        f'<main class="{SCOPE}">\n{body}</main>\n</body>\n</html>\n'
    )
