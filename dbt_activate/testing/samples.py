"""What breaks careless code, to be sent to every destination."""

TEXTS = {
    "quotes": """it's "quoted" and `ticked`""",
    "sql": "'; DROP TABLE people; --",
    "html": "<b>&amp;</b>",
    "template": "{{ 1 + 1 }} ${x} %s ? $1 {0}",
    "backslash": "\\N \\ \\u0041 C:\\new",
    "line ends": "one\r\ntwo\nthree\rfour",
    "tab": "a\tb",
    "unicode": "na\u00efve \u540d\u524d \u0628\u0631\u064a\u062f e\u0301",
    "emoji": "\U0001f389\U0001f469\u200d\U0001f4bb",
    "line separator": "a\u2028b\ufeffc",
    "formula": "x=1+1",
    "number": "007",
    "null word": "NULL",
    "date": "2026-02-30",
    "date and time": "2026-02-03T04:05:06+02:00",
    "long": "long " * 20_000 + "end",
    "nul": "a\0b",
}
"""Texts that break careless code. A destination stores each as it is, or rejects the row and only that row.

Half a surrogate pair is not among them: the engine sends no such row.
"""

HOSTILE_WAITS = ("", "-5", "soon", "1e999", "NaN", "9" * 30, "0x10", "Wed, 99 Foo 2026 00:00:00 GMT")
"""``Retry-After`` as no server should send it."""
