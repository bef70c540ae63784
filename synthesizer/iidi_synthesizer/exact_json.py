"""JSON that comes out as it went in: numbers keep their digits, doubtful input is refused."""

import json

_DEEPEST = 100  # no legal record comes near; deeper ones only exhaust the stack


class Number(str):
    """A JSON number as written, such as `1.50`."""


class NotJson(ValueError):
    """The text is not JSON, or not JSON that everyone reads alike."""


def loads(text: bytes | str) -> object:
    """Returns the value of `text`; refuses duplicate keys, NaN and bottomless nesting."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(
            text,
            parse_float=Number,
            parse_int=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
        _refuse_depth(value)
        if "\\u" in text:
            dumps(value).encode("utf-8")  # half a surrogate pair cannot be sent on
        return value
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson("not well-formed JSON in UTF-8") from error


def dumps(value: object) -> str:
    """Returns compact JSON with keys in the order they have."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(k)}:{dumps(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _object(pairs: list[tuple[str, object]]) -> dict:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotJson("the same key twice in one object")
    return made


def _refuse_depth(value: object) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise NotJson("nested too deeply")
        nested = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [item for items in nested for item in items]


def _refuse_constant(name: str) -> object:
    raise NotJson("a number that is not finite")
