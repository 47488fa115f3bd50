"""Text that Markdown, HTML or a terminal would obey."""

EVIL = (
    "a | b <img src=x onerror=alert(1)> [link](javascript:x) *star* _line_ `code` ![p](http://x) \x1b[2J\r\n"
    "# x &lt;"
)
