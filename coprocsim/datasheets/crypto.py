"""The datasheet of `acme,vault-1`, a crypto engine: a job unit whose jobs cannot be cut, and a key that cannot be read.

The job unit's registers (see `jobunit.py`) are at the start of the range. It works every job to its end once it has
begun, even one that is given up; of a job in its place, UNCUTTABLE is read as all that is left. The key is on a page of
its own, so that it can be mapped or not by itself: eight words of 32 bits, which are written only and read as 0.
"""

KEY = 0x1000
KEY_WORDS = 8
KEY_OFFSETS = range(KEY, KEY + 4 * KEY_WORDS, 4)
RANGE_BYTES = KEY + 4 * KEY_WORDS


def is_key(offset: int) -> bool:
    """Return whether an offset is in the key."""
    return KEY <= offset < KEY + 4 * KEY_WORDS
