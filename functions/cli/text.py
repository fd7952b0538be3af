"""Texts that several commands print."""


def printable(text: str) -> str:
    """Return a text on one line, without control characters: others wrote it, and a terminal obeys them."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def dollars_text(amount: float) -> str:
    """Return an amount with at least two digits after the point, and at most six: `$0.20`, `$0.0395`."""
    whole, _, digits = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{digits:0<2}"
