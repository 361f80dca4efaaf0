"""How the program is built: what stands between a defect and its use by an attacker (docs/security.md)."""

import platform
import re
import shutil
import subprocess

import pytest

import hotmic_py

pytestmark = [pytest.mark.skipif(hotmic_py.SANITIZED, reason="built with a sanitizer, which finds more and does not go together with all of it"),
              pytest.mark.skipif(not shutil.which("readelf"), reason="NO READELF: apt install binutils")]


def told(*options):
    return subprocess.run(["readelf", "--wide", *options, hotmic_py.program()], capture_output=True, text=True, check=True).stdout


def test_it_lies_where_nobody_knows_and_its_tables_are_read_only():
    assert re.search(r"Type:\s+DYN", told("--file-header"))
    segments = told("--program-headers")
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK\s.*\sRW\s", segments), "the stack is not run"
    assert not re.search(r"LOAD\s.*\sRWE\s", segments), "what is written is not run"
    flags = told("--dynamic")
    assert re.search(r"FLAGS_1\).*NOW.*PIE", flags), flags


def test_overruns_end_it():
    symbols = told("--dyn-syms")
    assert "__stack_chk_fail" in symbols, "of the stack"
    assert re.search(r"__(mem|str|read|recv|snprintf|vsnprintf)\w*_chk", symbols), "of the C library's buffers"
    assert "__glibcxx_assert_fail" in symbols, "of the C++ library's containers"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="control-flow protection is looked for as x86 has it")
@pytest.mark.skipif(not shutil.which("objdump"), reason="NO OBJDUMP: apt install binutils")
def test_jumps_lead_where_functions_begin():
    """The program as a whole is not marked so, for the C library's own first steps are not where the distribution has it like that."""
    code = subprocess.run(["objdump", "--disassemble=main", "--no-show-raw-insn", hotmic_py.program()], capture_output=True, text=True, check=True).stdout
    assert re.search(r"<main>:\n\s+\w+:\s+endbr64", code), code[:400]
