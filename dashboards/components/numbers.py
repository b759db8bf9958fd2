"""Numbers, sizes, times and durations as the chosen language writes them."""

from datetime import datetime

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from components.language import language

LOCALES = {"en": "en", "zh": "zh_Hans_CN"}


def locale() -> str:
    """The chosen language's locale, as Babel names it."""
    return LOCALES[language()]


def number(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A figure with its separators; a dash where there is none."""
    if value is None:
        return "–"
    form = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(round(value, digits) + 0.0, f"+{form};-{form}" if signed else form, locale=locale())


def percent(share: float | None, digits: int = 0) -> str:
    """A share of 1 as per cent; a dash where there is none."""
    form = "#,##0" + ("." + "0" * digits if digits else "") + "%"
    return "–" if share is None else format_percent(share, form, locale=locale())


def interval(value: float | None, low: float | None, high: float | None, digits: int = 1) -> str:
    """A figure with its interval in brackets, where it has one."""
    if low is None or high is None:
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def size(count: int) -> str:
    """A number of bytes as megabytes."""
    return format_unit(round(count / 1e6), "digital-megabyte", length="short", locale=locale())


def lasted(seconds: float | None) -> str:
    """A duration: seconds below two minutes, else minutes and seconds."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 2:
        return format_unit(round(seconds), "duration-second", length="short", locale=locale())
    parts = [
        format_unit(minutes, "duration-minute", length="short", locale=locale()),
        format_unit(rest, "duration-second", length="short", locale=locale()),
    ]
    return " ".join(parts) if language() == "en" else "".join(parts)


def when(milliseconds: int) -> str:
    """A time since 1970 on this machine's clock, as date and time."""
    return format_datetime(datetime.fromtimestamp(milliseconds / 1000).astimezone(), "medium", locale=locale())


def ago(seconds: float) -> str:
    """How long ago, in words."""
    return format_timedelta(-seconds, add_direction=True, locale=locale())
