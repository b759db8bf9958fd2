"""What the pages share: language, the shown run, charts, tables, safe texts."""
