"""Texts that many messages share."""


def count(n, noun):
    """Return a number and what it counts: ``1 video``, ``2,500 videos``, ``2 classes``."""
    plural = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}{plural}"


def value_text(value):
    """Return a setting or a fact as text: ``none``, ``true``, ``100,000``, ``5e-5``, ``85×64``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.15g}".replace("e-0", "e-")
    return "×".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
