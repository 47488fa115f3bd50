"""Texts that many messages share."""


def count(n, noun):
    """Return a number and what it counts: ``1 video``, ``2,500 videos``, ``2 classes``."""
    plural = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}{plural}"
