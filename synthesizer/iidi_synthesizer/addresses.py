"""Municipalities and postal codes of a province."""


def place(rng, province: dict) -> tuple[str, str]:
    """Returns a municipality and a postal code that begins as codes there do."""
    rows = province["municipalities"]
    city, area, _ = rng.choices(rows, [weight for _, _, weight in rows])[0]
    return city, postal_code(rng, area)


def postal_code(rng, area: str) -> str:
    """Returns a full postal code within a forward sortation area, `ANA NAN`."""
    return f"{area} {rng.randint(0, 9)}{rng.choice(_LETTERS)}{rng.randint(0, 9)}"


_LETTERS = "ABCEGHJKLMNPRSTVWXYZ"
