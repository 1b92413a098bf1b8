"""What is named as a file may be anything: a clear error, no hang, no memory without end."""

import os
import threading
from pathlib import Path

import pytest

from coprocsim.cli import main
from coprocsim.toolstack import files
from coprocsim.toolstack.files import contents
from tests.cli import golden
from tests.waiting import TIMEOUT_S

_GIB = 2**30
_MINIMAL = ["domain", "create", "domains/minimal.cfg", 'coproc=["xxx0"]']
_USES = {
    "boot": ["boot", "FILE"],
    "boot a source": ["boot", "FILE.dts"],
    "--config": ["boot", "dts/minimal.dtb", "--force", "--config", "FILE"],
    "config show": ["config", "show", "FILE"],
    "domain create": ["domain", "create", "FILE"],
    "file=": [*_MINIMAL, 'coproc_workload=["xxx0,kind=trace,file=FILE"]'],
}


@pytest.fixture
def special(tmp_path, monkeypatch, capsys):
    """Boot a machine in a folder with the examples and files of all kinds."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")
    monkeypatch.setattr(files, "_WAIT_S_MAX", 0.2)
    for suffix in ("", ".dts"):
        Path(f"folder{suffix}").mkdir()
        os.mkfifo(f"pipe{suffix}")
        Path(f"endless{suffix}").symlink_to("/dev/zero")
        Path(f"huge{suffix}").touch()
        os.truncate(f"huge{suffix}", 3 * _GIB)
    main(["boot", "dts/minimal.dtb"])
    capsys.readouterr()


@pytest.mark.parametrize("use", _USES)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("folder", "Is a directory"),
        ("pipe", "nothing has come for 0.2 s"),
        ("endless", "it has more than 64 MiB"),
        ("huge", "it has more than 64 MiB"),
    ],
)
def test_what_is_no_file_to_be_read_is_refused(special, use, kind, said, capsys):
    # A config's own file names start from its folder.
    name = f"../{kind}" if use == "file=" else kind
    assert main([word.replace("FILE", name) for word in _USES[use]]) == 1
    assert f"{name}{'.dts' if use == 'boot a source' else ''}`: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "said"), [("pipe", "nothing has come"), ("endless", "it has more than 64 MiB")])
def test_a_tree_of_a_domain_that_cannot_be_read_is_a_warning(special, kind, said, capsys):
    assert main([*_MINIMAL, f'device_tree="../{kind}"']) == 0
    warning = f"warning: <command line>:2:13: cannot read `device_tree` `../{kind}` ({said}"
    assert warning in capsys.readouterr().err


def test_what_comes_through_a_pipe_is_read_to_its_end(special, monkeypatch):
    # However late the writer comes.
    monkeypatch.setattr(files, "_WAIT_S_MAX", TIMEOUT_S)
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(b"copr" * 100_000), daemon=True)
    writer.start()
    assert contents("pipe") == b"copr" * 100_000
    writer.join()


@pytest.mark.parametrize(("name", "said"), [("", "a file has a name"), ("a\0b", "a file's name has no NUL byte")])
def test_what_cannot_be_a_name_is_refused(name, said):
    with pytest.raises(OSError, match=said):
        contents(name)


def test_a_list_without_arrivals_is_refused(special, capsys):
    assert main([*_MINIMAL, 'coproc_workload=["xxx0,kind=trace,file=/dev/null"]']) == 1
    assert "is no list of arrivals" in (said := capsys.readouterr().err)
    assert "hint: it has no arrivals" in said


def test_a_domains_tree_is_a_blob(special, capsys):
    assert main([*_MINIMAL, 'device_tree="/dev/null"']) == 1
    assert capsys.readouterr().err.endswith(" hint: give a `.dtb`\n")
