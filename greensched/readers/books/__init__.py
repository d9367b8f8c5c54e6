"""Files that the books of a company are kept in: small tables, all that is wrong told at once."""

from greensched.readers.books.activities import read_activities
from greensched.readers.books.avoided import read_avoided
from greensched.readers.books.cooling import read_cooling
from greensched.readers.books.factors import bundled_factors, read_factors
from greensched.readers.books.hours import read_hours
from greensched.readers.books.offsets import read_offsets

__all__ = [
    "bundled_factors",
    "read_activities",
    "read_avoided",
    "read_cooling",
    "read_factors",
    "read_hours",
    "read_offsets",
]
