"""People who moved here from another province, and what the other province called them."""

import dataclasses
import datetime as dt

from iidi_synthesizer import catalogue
from iidi_synthesizer.ids import NAMING, random_for, record_id

ORIGIN_RECORD = f"{NAMING}/origin-record"


@dataclasses.dataclass(frozen=True)
class Move:
    """`pt` until the day before `day`; `transferred` when the earlier records came along."""

    pt: str
    day: dt.date
    transferred: bool


def move_of(pt: str, seed: int, index: int, birth: dt.date, alive_until: dt.date, share: float) -> Move | None:
    """Returns the person's move, or nothing for most people."""
    rng, table = random_for(pt, seed, index, "move"), catalogue.moves()
    others = {code: weight for code, weight in table["from"].items() if code != pt}
    old = rng.choices(list(others), list(others.values()))[0]
    transferred = rng.random() < table["transferred_share"]
    drawn, when = rng.random(), rng.random()
    first = birth + dt.timedelta(days=table["least_days_after_birth"])
    if drawn >= share or first >= alive_until:
        return None
    return Move(old, first + (alive_until - first) * when, transferred)


def origin_identifier(move: Move, kind: str, pt: str, seed: int, index: int, *parts: object) -> dict:
    """Returns the identifier that names the record in the province where it was made."""
    id_there = record_id(move.pt, seed, "moved to", pt, index, *parts)
    return {"system": ORIGIN_RECORD, "value": f"{move.pt}/{kind}/{id_there}"}


def logical_reference(move: Move, resource: dict, display: str | None = None) -> dict:
    """Returns a reference to a resource that stayed in the other province."""
    value = f"{move.pt}/{resource['resourceType']}/{resource['id']}"
    made = {"type": resource["resourceType"], "identifier": {"system": ORIGIN_RECORD, "value": value}}
    if display is not None:
        made["display"] = display
    return made
