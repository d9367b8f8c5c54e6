"""A company's yearly statement: gathered, put together, printed, bundled for who verifies it."""

from greensched.report.disclosure.bundle import write_statement
from greensched.report.disclosure.gather import Gathered, gather
from greensched.report.disclosure.operated import Operated, operated
from greensched.report.disclosure.printed import lines_csv, statement_markdown, statement_text
from greensched.report.disclosure.statement import statement

__all__ = [
    "Gathered",
    "Operated",
    "gather",
    "lines_csv",
    "operated",
    "statement",
    "statement_markdown",
    "statement_text",
    "write_statement",
]
