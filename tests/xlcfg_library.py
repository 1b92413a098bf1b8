"""Xen's own config parser, by ctypes: what it says of a text, to hold ours against it.

Debian has it in `libxenmisc4.17`. Its structures are read directly, since its functions neither list the names nor
go into nested lists; they are those of Xen 4.17 and must not be used with another version.
"""

import ctypes as c
from collections.abc import Iterator
from contextlib import contextmanager

from coprocsim.model import CfgValue
from tests.xlcfg_corpus import Reading

LIBRARY = "libxlutil.so.4.17"
_STRING, _LIST = 0, 1


class _Value(c.Structure):
    pass


class _List(c.Structure):
    _fields_ = (("allocated", c.c_int), ("count", c.c_int), ("values", c.POINTER(c.POINTER(_Value))))


class _Content(c.Union):
    _fields_ = (("string", c.c_char_p), ("list", _List))


_Value._fields_ = (("type", c.c_int), ("content", _Content))


class _Setting(c.Structure):
    pass


_Setting._fields_ = (
    ("next", c.POINTER(_Setting)),
    ("name", c.c_char_p),
    ("value", c.POINTER(_Value)),
    ("operation", c.c_int),
    ("line", c.c_int),
)


class _Config(c.Structure):
    _fields_ = (("settings", c.POINTER(_Setting)), ("report", c.c_void_p), ("source", c.c_char_p))


class Library:
    """Xen's parser; OSError where it is not installed."""

    def __init__(self) -> None:
        self._library = c.CDLL(LIBRARY)
        self._library.xlu_cfg_init.restype = c.POINTER(_Config)
        self._library.xlu_cfg_init.argtypes = (c.c_void_p, c.c_char_p)
        self._library.xlu_cfg_readdata.argtypes = (c.POINTER(_Config), c.c_char_p, c.c_int)
        self._library.xlu_cfg_destroy.argtypes = (c.POINTER(_Config),)
        self._library.xlu_cfg_get_long.argtypes = (c.POINTER(_Config), c.c_char_p, c.POINTER(c.c_long), c.c_int)
        standard = c.CDLL(None)
        standard.fopen.restype = c.c_void_p
        standard.fopen.argtypes = (c.c_char_p, c.c_char_p)
        self._report = standard.fopen(b"/dev/null", b"w")

    def read(self, text: bytes) -> Reading:
        """Return what the parser makes of `text`, in which no string may hold a zero byte: it would abort."""
        with self._parsed(text) as (config, status):
            if status != 0:
                return Reading(False, {})
            # The newest setting stands first, and is the one that counts; `+=` leaves the older ones in pieces.
            values: dict[str, CfgValue] = {}
            for setting in _settings(config):
                name = setting.name.decode()
                if name not in values:
                    values[name] = _value(setting.value.contents)
            return Reading(True, values)

    def accepts(self, text: bytes) -> bool:
        """Tell whether the parser accepts `text`, however deeply nested."""
        with self._parsed(text) as (_, status):
            return bool(status == 0)

    def integer(self, text: bytes, name: bytes) -> int | None:
        """Return what the parser reads as the integer `name`; None if it is none to it."""
        number = c.c_long()
        with self._parsed(text) as (config, status):
            refused = status or self._library.xlu_cfg_get_long(config, name, c.byref(number), 1)
        return None if refused else number.value

    @contextmanager
    def _parsed(self, text: bytes):
        config = self._library.xlu_cfg_init(self._report, b"config")
        try:
            yield config, self._library.xlu_cfg_readdata(config, text, len(text))
        finally:
            self._library.xlu_cfg_destroy(config)


def _settings(config) -> Iterator[_Setting]:
    at = config.contents.settings
    while at:
        yield at.contents
        at = at.contents.next


def _value(value: _Value) -> CfgValue:
    if value.type == _STRING:
        return str(value.content.string, "utf-8", "surrogateescape")
    assert value.type == _LIST
    items = value.content.list
    return [_value(items.values[at].contents) for at in range(items.count)]
