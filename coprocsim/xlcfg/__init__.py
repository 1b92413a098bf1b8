"""Domain configs: the text that xl reads, to settings with places, to a `DomainSpec`.

What a config says of coprocs and workloads is split up here, and judged by those who know the machine. Lark is
imported where a config is read, so that commands that read none do not wait for it.
"""

from collections.abc import Sequence

from coprocsim.errors import Report
from coprocsim.model import CfgValue, DomainSpec


def loads(data: bytes, path: str = "<config>") -> dict[str, CfgValue]:
    """Return what a config says: texts, and lists of texts and lists; CfgError for what Xen's own parser refuses.

    Text is decoded as UTF-8, other bytes as surrogates (`surrogateescape`). Numbers are texts, as they are to xl.
    """
    from coprocsim.xlcfg.parse import assignments, final  # noqa: PLC0415 - see above
    from coprocsim.xlcfg.source import Source  # noqa: PLC0415
    from coprocsim.xlcfg.values import plain  # noqa: PLC0415

    source = Source(data, path)
    return {name: plain(setting.value) for name, setting in final(source, assignments(source)).items()}


def read_domain(data: bytes, path: str, extra: Sequence[str] = (), report: Report | None = None) -> DomainSpec:
    """Return the domain that a config describes; `extra` are `key=value` arguments of the command line.

    CfgError where xl would refuse it, and where it says something of coprocs that nobody could mean. With a full
    report that is so only for what is no config at all; all other mistakes go into the report, and what is wrong is
    left out: a domain without a good name has an empty one.
    """
    from coprocsim.xlcfg.domain import read  # noqa: PLC0415
    from coprocsim.xlcfg.source import Source  # noqa: PLC0415

    return read(Source(data, path, extra), report or Report())
