"""A fault of raw images, as its two entries would stand in ``src/morelike/validate``."""

from morelike.validate.codes import SUSPECT, Code
from morelike.validate.rules import Measure

# in CODES of codes.py: its words, the policies that make sense, and what its limit is of
CODE = Code(
    "pixels",
    "Its colours are stronger than those of any photograph.",
    "Look at it: a drawing, or a scan with the wrong profile?",
    SUSPECT,
    "colourfulness (Hasler & Süsstrunk 2003), at most",
)
# in MEASURES of rules.py: the number that is held against the limit, and whether above it is the fault
MEASURE = Measure(lambda table: table["colourfulness"], True, "colourfulness")
