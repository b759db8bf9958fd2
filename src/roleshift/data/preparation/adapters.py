"""The adapter of each kind of corpus, by its name in params.yaml."""

from roleshift.data.preparation.docstrings import read_docstrings
from roleshift.data.preparation.drafts import Adapter
from roleshift.data.preparation.encyclopedia import read_descriptions, read_topics
from roleshift.data.preparation.interface import read_interface_texts
from roleshift.data.preparation.lines import read_labelled_lines
from roleshift.data.preparation.papers import read_papers
from roleshift.data.preparation.tables import read_table_rows
from roleshift.data.preparation.tagged import read_tagged_sentences

ADAPTERS: dict[str, Adapter] = {
    "aclsum": read_papers,
    "wikipedia-headline": read_descriptions,
    "wikipedia-topic": read_topics,
    "interface-texts": read_interface_texts,
    "python-docstrings": read_docstrings,
    "table": read_table_rows,
    "labelled-lines": read_labelled_lines,
    "tagged-text": read_tagged_sentences,
}
