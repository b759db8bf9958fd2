"""Tables as CSV that a spreadsheet cannot take for formulas."""

import polars as pl

_FORMULA = r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]"


def csv_text(frame: pl.DataFrame) -> str:
    """A table as CSV, lists as JSON; a text that a spreadsheet could run gets a leading apostrophe."""
    return frame.select(_cell(name, dtype) for name, dtype in frame.schema.items()).write_csv()


def _cell(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_nested():
        return pl.struct(name).struct.json_encode().alias(name)
    if dtype == pl.String:
        escaped = pl.concat_str(pl.lit("'"), column)
        return pl.when(column.str.contains(_FORMULA)).then(escaped).otherwise(column).alias(name)
    return column
