"""What people get wrong in a config, in words: what is wrong, where, and the cure.

The grammar only says that a byte or a token does not fit. What was meant is guessed here, from the text around it.
"""

import re
from dataclasses import dataclass, field

from lark import Token

from coprocsim.errors import CfgError
from coprocsim.xlcfg.source import Source, brief
from coprocsim.xlcfg.values import Assignment, BadEscape, Node, Text, place_of

_NAME_LIKE = re.compile(rb"[A-Za-z0-9_.-]*")
_VALUE_LIKE = re.compile(rb"[^\0- ,;=#\"'()\[\]{}]*")
_TRUE = {"true", "yes", "on"}
_FALSE = {"false", "no", "off", "none"}
_NO_CONFIG = {"import", "from", "def", "if", "for", "export", "print", "return", "while", "set"}

# “ ” „ and the single ones, « and »: what word processors make of a quote.
_SMART_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"
_BLANKS_THAT_ARE_NONE = {"\u00a0": "no-break space", "\u200b": "zero-width space", "\ufeff": "byte order mark"}

# Where a byte that begins nothing gives away what was meant.
_BYTES = {
    b"\\": ("a line does not go on after `\\`", "a list in `[ ]` may take several lines; anything else takes one"),
    b"(": ("`(` has no meaning here", "a list is written in square brackets: `[ 'a', 'b' ]`"),
    b"{": ("`{` has no meaning here", "a list is written in square brackets: `[ 'a', 'b' ]`"),
    b"<": ("`<` has no meaning here", "is this what a merge of two versions left behind? Keep one of them"),
    b">": ("`>` has no meaning here", "is this what a merge of two versions left behind? Keep one of them"),
    b"$": ("`$` has no meaning here", "nothing is put in for variables: write the value itself, text in quotes"),
    b":": ("`:` has no meaning here", "write `name = value`, and text in quotes"),
    b"/": ("`/` has no meaning here", "put a path in quotes; a comment begins with `#`"),
    b"+": ("values are not added up here", "write the result; `name += value` appends to an earlier value"),
    b"\0": ("a byte that is zero", "this is not a text file, or one in UTF-16: save it as plain UTF-8"),
}


_NEVER_IN_A_WORD = {b"\\", b"(", b"{", b"<", b">", b"$", b"\x7f"}


@dataclass(slots=True)
class Read:
    """What the parser has read: the last token, the last that is no newline, and the lists that are still open."""

    last: Token | None = None
    before: Token | None = None
    opened: list[Token] = field(default_factory=list)

    def note(self, token: Token) -> None:
        """Take note of a token that fits."""
        self.last = token
        if token.type != "_NEWLINE":
            self.before = token
        if token.type == "OPEN":
            self.opened.append(token)
        elif token.type == "CLOSE":
            self.opened.pop()


# ---------------------------------------------------------------- bytes that begin nothing


def bad_character(source: Source, at: int, read: Read) -> CfgError:
    """Return the error for a byte, outside strings and comments, with which nothing begins."""
    data = source.data
    if at == 0 and data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _error(source, 0, 2, "the file is in UTF-16", "save it as plain UTF-8")
    character = _character(data, at)
    if character in _BLANKS_THAT_ARE_NONE:
        return _invisible(source, at, character)
    if character in _SMART_QUOTES:
        end = at + len(character.encode())
        return _error(source, at, end, f"`{character}` is no quote here", "use the straight ones, `\"` or `'`")
    byte = data[at : at + 1]
    if byte == b"\r":
        hint = r"Unix lines end in LF alone: `dos2unix FILE`, or `sed -i 's/\r$//' FILE`"
        what = "the line ends in CR LF, as on Windows" if data[at + 1 : at + 2] == b"\n" else "a carriage return"
        return _error(source, at, at + 1, what, hint)
    if byte in {b'"', b"'"}:
        return _unterminated(source, at)
    if byte == b"#":
        end = source.line_end(at)
        return _error(source, at, end, "a comment without a newline at its end", "end the file with a newline")
    return _bad_word(source, at, character, read)


def _bad_word(source: Source, at: int, character: str, read: Read) -> CfgError:
    """Return the error for a word with a character that must not be in it, or for that character alone."""
    last = read.last
    touched = last if last is not None and last.end_pos == at and last.type in {"IDENT", "NUMBER"} else None
    start = at if touched is None else _range(touched)[0]
    byte = source.data[at : at + 1]
    value_wanted = _value_wanted(read) or (touched is not None and touched.type == "NUMBER")
    if value_wanted and byte > b" " and byte not in _NEVER_IN_A_WORD:
        end = _end_of(_VALUE_LIKE, source, at)
        word = brief(source.data[start:end])
        return _error(source, start, end, f"`{word}` is not a value", _value_hint(word))
    if byte in _BYTES:
        return _error(source, at, at + 1, *_BYTES[byte])
    name_wanted = touched is not None or last is None or last.type in {"_NEWLINE", "_SEMICOLON"}
    if name_wanted and _NAME_LIKE.fullmatch(byte):
        return _bad_name(source, start, _end_of(_NAME_LIKE, source, at))
    end = at + len(character.encode("utf-8", "surrogateescape"))
    what = f"`{brief(source.data[at:end])}` has no meaning outside quotes"
    return _error(source, at, end, what, "names and numbers are plain ASCII; put text in quotes")


def _bad_name(source: Source, start: int, end: int) -> CfgError:
    name = brief(source.data[start:end])
    right = name.replace("-", "_").lower().strip("_.")
    hint = "names are of lowercase letters, digits, `_` and `.`, a letter first"
    hint += f": write `{right}`" if re.match("[a-z]", right) else ""
    return _error(source, start, end, f"`{name}` is not a name", hint)


def _value_hint(word: str) -> str:
    """Return what to write instead of a value that is neither number, nor string, nor list."""
    if word.lower() in _TRUE:
        return "write `1`"
    if word.lower() in _FALSE:
        return "write `0`"
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", word):
        return f"hexadecimal digits are lowercase: `{word.lower()}`"
    if re.fullmatch(r"[0-9]+[kKmMgGtT][iI]?[bB]?", word):
        return f'numbers have no units (`memory` counts MiB); a text goes in quotes: `"{word}"`'
    if re.fullmatch(r"[0-9]*\.[0-9]+([kKmMgGtT][iI]?[bB]?)?", word):
        return "numbers are whole, without units (`memory` counts MiB); only a text goes in quotes"
    if re.fullmatch(r"[0-9]+([*+][0-9]+)+", word):
        return "nothing is computed here: write the result"
    return f'put it in quotes: `"{word}"`'


def _invisible(source: Source, at: int, character: str) -> CfgError:
    """Return the error for a character that looks like a blank, or like nothing, and is none to xl."""
    end = at + len(character.encode())
    if at == 0 and character == "\ufeff":
        hint = r"save it as UTF-8 without BOM: `sed -i '1s/^\xEF\xBB\xBF//' FILE`"
        return _error(source, at, end, "the file begins with a byte order mark", hint)
    what = f"a {_BLANKS_THAT_ARE_NONE[character]}, which only looks like a blank"
    return _error(source, at, end, what, "replace it by a plain space")


def _unterminated(source: Source, at: int) -> CfgError:
    """Return the error for a quote that is never closed on its line."""
    quote = source.data[at : at + 1]
    end = source.line_end(at)
    body = source.data[at + 1 : end].rstrip(b" \t\r;,]")
    if body.endswith(b"\\" + quote):
        hint = "`\\` before the closing quote makes it part of the text: write `\\\\` for a backslash"
    elif body.endswith(b'"' if quote == b"'" else b"'"):
        hint = f"it ends in the other kind of quote: close it with `{quote.decode()}`"
    else:
        hint = f"a string ends on the line on which it begins: close it with `{quote.decode()}`"
    return _error(source, at, end, "a string without its closing quote", hint)


def bad_escape(source: Source, error: BadEscape) -> CfgError:
    """Return the error for what a string must not hold."""
    escape = brief(source.data[error.start : error.end])
    if error.kind == "zero byte":
        return _error(source, error.start, error.end, "a byte that is zero, in a string", _BYTES[b"\0"][1])
    if error.kind == "numeric":
        what, hint = f"`{escape}` needs two or three digits behind it", "write `\\\\` for a backslash"
    else:
        what = f"xl does not know the escape `{escape}`"
        hint = "write `\\\\` for a backslash; known are `\\\" \\' \\\\ \\a \\b \\f \\n \\r \\t \\v`"
    return _error(source, error.start, error.end, what, hint)


# ---------------------------------------------------------------- tokens that do not fit


def bad_token(source: Source, token: Token, read: Read) -> CfgError:
    """Return the error for a token that does not fit behind what was read."""
    if read.opened:
        return _bad_in_list(source, token, read)
    before = read.last.type if read.last is not None else "_NEWLINE"
    if before in {"ASSIGN", "ADD"}:
        return _bad_value(source, token, read)
    if before == "IDENT":
        return _no_operator(source, token, read)
    if before in {"NUMBER", "STRING", "CLOSE"}:
        return _no_end(source, token, read)
    return _no_name(source, token)


def _bad_value(source: Source, token: Token, read: Read) -> CfgError:
    """Return the error for a token where a value must stand."""
    operator = read.last
    assert operator is not None
    if token.type in {"_NEWLINE", "_SEMICOLON", "$END"}:
        start, end = _range(operator)
        return _error(source, start, end, f"no value behind `{operator}`", "the value begins on the line of the `=`")
    if token.type == "IDENT":
        return _bare_word(source, token)
    start, end = _range(token)
    hint = "a value is a number, a text in quotes, or a list in `[ ]`"
    hint = "write one `=`: it assigns, nothing is compared here" if token.type == "ASSIGN" else hint
    return _error(source, start, end, f"expected a value, found `{_text(token)}`", hint)


def _bare_word(source: Source, token: Token) -> CfgError:
    start, end = _range(token)
    follows = source.data[end : end + 1]
    end = _end_of(_VALUE_LIKE, source, end)
    word = brief(source.data[start:end])
    if follows in {b'"', b"'"}:
        hint = "a string has no letters before its quote"
    elif follows == b"(":
        hint = "nothing is computed here: write the result"
    else:
        hint = _value_hint(word)
    return _error(source, start, end, f"`{word}` is not a value", hint)


def _no_operator(source: Source, token: Token, read: Read) -> CfgError:
    """Return the error for a name without `=` or `+=`."""
    assert read.last is not None
    start, end = _range(read.last)
    name, found = _text(read.last), _text(token)
    if name in _NO_CONFIG:
        hint = "xl reads neither Python nor shell, only `name = value`"
    elif token.type == "IDENT":
        hint = f'names hold no blanks: write `{name}_{found} = value`, or `{name} = "{found}"` if that is its value'
    elif token.type == "OPEN":
        hint = f"to append to a list: `{name} += [ value ]`"
    else:
        hint = f"write `{name} = value`, all on one line, and text in quotes"
    return _error(source, start, end, f"no `=` behind `{name}`", hint)


def _no_end(source: Source, token: Token, read: Read) -> CfgError:
    """Return the error for something behind a complete assignment, on its line."""
    value = read.last
    assert value is not None
    start, end = _range(token)
    touches = value.end_pos == start
    if token.type == "IDENT" and touches and value.type == "NUMBER":
        return _bad_number(source, value)
    if value.type == "STRING" and touches and token.type in {"IDENT", "NUMBER", "STRING"}:
        hint = "a quote inside a text is written `\\\"` or `\\'`; there are no triple quotes"
        return _error(source, start, end, "the string ends before this", hint)
    if token.type == "IDENT":
        what = f"a second assignment on one line: `{_text(token)}`"
        return _error(source, start, end, what, "put each on a line of its own, or a `;` between them")
    hints = {
        "STRING": "write one string; neighbours are not joined",
        "_COMMA": "several values make a list: `[ 'a', 'b' ]`; two assignments stand on two lines, or with `;` between",
        "CLOSE": "no list is open: is its `[` missing?",
        "ASSIGN": "one name is assigned at a time",
    }
    hint = hints.get(token.type, "an assignment ends with its line, or with `;`")
    return _error(source, start, end, f"expected the end of the line, found `{_text(token)}`", hint)


def _bad_number(source: Source, number: Token) -> CfgError:
    """Return the error for a number that goes on as no number does."""
    start, end = _range(number)
    end = _end_of(_VALUE_LIKE, source, end)
    word = brief(source.data[start:end])
    return _error(source, start, end, f"`{word}` is not a number", _value_hint(word))


def _no_name(source: Source, token: Token) -> CfgError:
    """Return the error for a line that begins with no name."""
    start, end = _range(token)
    word_end = _end_of(_NAME_LIKE, source, end)
    if token.type == "NUMBER" and word_end > end:
        what = f"`{brief(source.data[start:word_end])}` is not a name"
        return _error(source, start, word_end, what, "a name begins with a lowercase letter")
    hints = {
        "STRING": 'write `name = "text"`; the name goes without quotes, a text ends on its line',
        "CLOSE": "no list is open: is its `[` missing, or one `]` too many?",
        "_COMMA": "elements belong into a list: is its `[` missing, or did a `]` close it too early?",
        "OPEN": "there are no sections: a config is a sequence of `name = value`",
    }
    hint = hints.get(token.type, "a config is a sequence of `name = value`")
    return _error(source, start, end, f"expected a name, found `{_text(token)}`", hint)


def _bad_in_list(source: Source, token: Token, read: Read) -> CfgError:
    """Return the error for a token that does not fit into a list; mostly it is the list that was never closed."""
    opened, before = read.opened[-1], read.before
    assert before is not None
    start, end = _range(token)
    if token.type == "$END" or (token.type == "IDENT" and _assigned(source, end)):
        return _error(source, *_range(opened), "this list is never closed", _unclosed_hint(source, token, before))
    if token.type == "IDENT" and (before.end_pos != start or before.type in {"OPEN", "_COMMA"}):
        return _bare_word(source, token)
    if before.type in {"OPEN", "_COMMA"}:
        hint = "one comma stands between two elements; one more may follow the last"
        return _error(source, start, end, f"expected an element, found `{_text(token)}`", hint)
    if token.type in {"STRING", "NUMBER", "OPEN", "IDENT"}:
        if token.type == "IDENT" and before.type == "NUMBER":
            return _bad_number(source, before)
        # Shown behind the element that lacks it: the next one may be lines away.
        _, at = _range(before)
        hint = "elements have commas between them; a quote inside a text is written `\\\"` or `\\'`"
        return _error(source, at - 1, at, "no `,` between this element and the next", hint)
    return _error(source, start, end, f"expected `,` or `]`, found `{_text(token)}`", "is the list's `]` missing?")


def _unclosed_hint(source: Source, token: Token, before: Token) -> str:
    """Return where the bracket probably belongs."""
    if token.type == "$END":
        return f"add `]`, behind line {source.line_number(_range(before)[1] - 1)} it seems"
    start, _ = _range(token)
    where = "on the command line" if source.on_command_line(start) else f"in line {source.line_number(start)}"
    return f"add `]` before `{_text(token)}` {where}"


# ---------------------------------------------------------------- what the grammar allows, and the original does not


def too_deep(source: Source, token: Token) -> CfgError:
    """Return the error for lists nested deeper than Xen's parser follows."""
    what, hint = "lists are nested too deeply", "Xen's own parser follows at most 4,996 levels"
    return _error(source, *_range(token), what, hint)


def bad_sum(source: Source, before: Node, statement: Assignment) -> CfgError:
    """Return the error for `+=` of a text to a list, or of a list to a text."""
    what, cure = ("text", '"text"') if isinstance(before, Text) else ("list", '[ "element" ]')
    added = "a list" if isinstance(before, Text) else "a text"
    start, end = place_of(statement.value)
    name = brief(statement.name.encode())
    hint = f"`{name}` is a {what} so far: write `{name} += {cure}`"
    return _error(source, start, end, f"{added} cannot be added to a {what}", hint)


# ---------------------------------------------------------------- the text around


def _error(source: Source, start: int, end: int, what: str, hint: str) -> CfgError:
    return CfgError(what, source.span(start, end), hint=hint)


def _range(token: Token) -> tuple[int, int]:
    assert token.start_pos is not None
    assert token.end_pos is not None
    return token.start_pos, token.end_pos


def _text(token: Token) -> str:
    """Return what stands in the source, whose bytes Lark is given as latin-1."""
    return brief(token.encode("latin-1"))


def _character(data: bytes, at: int) -> str:
    """Return the character that begins at `at`, whole if it is UTF-8."""
    for size in range(1, 5):
        try:
            return data[at : at + size].decode()
        except UnicodeDecodeError:
            continue
    return data[at : at + 1].decode("utf-8", "surrogateescape")


def _end_of(pattern: re.Pattern[bytes], source: Source, at: int) -> int:
    """Return where the text that begins at `at` and looks like `pattern` ends."""
    match = pattern.match(source.data, at)
    return match.end() if match else at


def _value_wanted(read: Read) -> bool:
    return bool(read.opened) or (read.last is not None and read.last.type in {"ASSIGN", "ADD"})


def _assigned(source: Source, at: int) -> bool:
    return re.match(rb"[ \t]*\+?=", source.data[at : at + 200]) is not None
