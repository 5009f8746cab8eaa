"""Cells at a URL: what counts as finished, what a store may refuse, and how that is told."""

import json
import shutil

import pytest

import gradlab
from gradlab import cli
from gradlab.comparison.seals import Seal
from gradlab.comparison.stores import Store
from gradlab.errors import ArgumentError, GradlabError, RunError

fsspec = pytest.importorskip("fsspec", reason="needs pip install 'gradlab-diagnostics[cluster]'")

GRID = {
    "networks": ["tanh"],
    "depths": [1, 3],
    "iterations": 15,
    "width": 8,
    "seeds": 2,
    "batch_size": 8,
    "data": gradlab.datasets.blobs(60, classes=3, features=4),
    "jobs": 1,
}


@pytest.fixture
def url(request):
    """An empty place in memory."""
    yield f"memory://{request.node.name}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def swept(tmp_path):
    """Two finished cells in a folder that is a store, and where they lie."""
    result = gradlab.compare(**GRID, runs=f"file://{tmp_path}")
    return result, [tmp_path / cell.folder.cell for cell in result.cells]


def compare_again(tmp_path, **options):
    return [
        cell.reused for cell in gradlab.compare(**GRID, runs=f"file://{tmp_path}", **options).cells
    ]


def upload_of(folder):
    """Return the folder that a cell's seal names."""
    return folder / json.loads((folder / "finished.json").read_text())["upload"]


def tables_of(cell):
    folder = cell.run._source.folder
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_records_are_those_of_a_folder_bit_for_bit(url, tmp_path):
    here = gradlab.compare(**GRID, runs=tmp_path)
    there = gradlab.compare(**GRID, runs=url)
    assert [tables_of(cell) for cell in here.cells] == [tables_of(cell) for cell in there.cells]
    assert str(here) == str(there)
    assert [str(cell.folder) for cell in there.cells] == [
        f"{url}/{cell.folder.name}" for cell in here.cells
    ]


def test_finished_cells_are_found_and_read_again(url):
    first = gradlab.compare(**GRID, runs=url)
    second = gradlab.compare(**GRID, runs=url)
    assert [cell.reused for cell in first.cells] == [False, False]
    assert [cell.reused for cell in second.cells] == [True, True]
    assert str(first) == str(second)


def test_an_upload_is_a_run_folder_like_any_other(swept):
    result, folders = swept
    for cell, folder in zip(result.cells, folders, strict=True):
        assert str(gradlab.diagnose(gradlab.load(upload_of(folder)))) == str(cell.diagnosis)


def test_the_copy_that_is_read_goes_with_the_run(url):
    cell = gradlab.compare(**GRID, runs=url).cells[0]
    folder = cell.run._source.folder
    assert folder.exists()
    assert cell.run.folder is None
    del cell.__dict__["run"]
    assert not folder.exists()


def test_force_replaces_a_cell_and_removes_the_old_one(swept, tmp_path):
    _, folders = swept
    old = [upload_of(folder) for folder in folders]
    assert compare_again(tmp_path, force=True) == [False, False]
    assert not any(each.exists() for each in old)
    assert [len(list(folder.iterdir())) for folder in folders] == [2, 2]  # upload and seal


def test_a_run_that_is_open_while_another_process_replaces_its_cell_stays(swept, tmp_path):
    result, _ = swept
    before = str(result.cells[0].run)
    compare_again(tmp_path, force=True)
    assert str(result.cells[0].run) == before
    assert result.cells[1].run.iterations == 15  # read only now


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "finished.json").unlink(),
        lambda folder: (folder / "finished.json").write_text("{"),
        lambda folder: (folder / "finished.json").write_text("[1]"),
        lambda folder: (upload_of(folder) / "steps.parquet").unlink(),
        lambda folder: (upload_of(folder) / "run.json").write_text("{}"),
        lambda folder: shutil.rmtree(upload_of(folder)),
        lambda folder: (upload_of(folder) / "more.parquet").write_text(""),
        lambda folder: folder.rename(folder.with_name("another")),
    ],
)
def test_what_is_not_whole_is_not_finished(swept, tmp_path, spoil):
    spoil(swept[1][0])
    assert compare_again(tmp_path) == [False, True]
    assert compare_again(tmp_path) == [True, True]


def test_a_seal_of_another_cell_is_none(swept, tmp_path):
    one, other = swept[1]
    (one / "finished.json").write_text((other / "finished.json").read_text())
    assert compare_again(tmp_path) == [False, True]


def test_a_changed_byte_is_told_when_it_is_read(swept, tmp_path):
    path = upload_of(swept[1][0]) / "signals.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:99] + bytes([content[99] ^ 1]) + content[100:])
    result = gradlab.compare(**GRID, runs=f"file://{tmp_path}")
    with pytest.raises(RunError, match=r"signals\.parquet is damaged; delete it, and run the same"):
        str(result)
    path.unlink()
    assert compare_again(tmp_path) == [False, True]


def test_an_upload_that_breaks_off_leaves_no_cell(url, monkeypatch):
    def break_off(store, folder, place, names):
        upload(store, folder, place, names[:2])
        raise OSError(28, "No space left on device")

    upload = Store._upload
    monkeypatch.setattr(Store, "_upload", break_off)
    with pytest.raises(RunError, match=r"cannot be written to: .*No space left on device"):
        gradlab.compare(**GRID, runs=url)
    assert fsspec.filesystem("memory").find("") == []
    monkeypatch.undo()
    assert [cell.reused for cell in gradlab.compare(**GRID, runs=url).cells] == [False, False]


VALID = {
    "cell": "a",
    "upload": "0" * 32,
    "files": {name: {"size": 1, "sha256": "x"} for name in ("run.json", "cell.json")},
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"upload": "../" + "0" * 29},
        {"files": VALID["files"] | {"../../.bashrc": {"size": 1, "sha256": "x"}}},
        {"files": VALID["files"] | {"/etc/passwd": {"size": 1, "sha256": "x"}}},
        {"files": {}},
        {"files": []},
        {"upload": 3},
        {"cell": "b"},
    ],
)
def test_a_seal_names_no_file_outside_its_cell(wrong):
    assert Seal.read(json.dumps(VALID).encode(), "a") is not None
    assert Seal.read(json.dumps(VALID | wrong).encode(), "a") is None


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ("nix://place", "'nix://place' cannot be read: Protocol not known: nix; give a folder, or"),
        ("s3://", "'s3://' names no place"),
        ("zip::file://a.zip", "is a chain of URLs"),
        (
            "absent://place",
            "Install absentfs to .*; run, here and on every worker: pip install abs",
        ),
        ("refusing://forbidden", "Access Denied; it takes the rights to list, read, write and"),
        ("refusing://no-bucket", "does not exist; make the bucket or folder first"),
        ("refusing://no-credentials", "Unable to locate credentials; give this machine"),
        ("refusing://read-only", "nothing can be written there"),
        ("refusing://other", r"Slow down \(ConnectionError\)"),
    ],
)
def test_what_a_store_refuses_is_one_sentence(runs, sentence):
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    options = {"clobber": True, "errtxt": "Install absentfs to access Absent"}
    fsspec.register_implementation("absent", "gradlab.absent.Files", **options)
    with pytest.raises(GradlabError, match=sentence) as caught:
        gradlab.compare(**GRID, runs=runs)
    assert "\n" not in str(caught.value)


class NoCredentialsError(Exception):
    pass


class Refusing(fsspec.AbstractFileSystem):
    """A store that refuses to be written to, for a reason that stands in the path."""

    protocol = "refusing"
    reasons = {  # noqa: RUF012
        "forbidden": PermissionError("Access Denied"),
        "no-bucket": FileNotFoundError("The specified bucket does not exist"),
        "no-credentials": NoCredentialsError("Unable to locate credentials"),
        "read-only": NotImplementedError(),
        "other": ConnectionError("Slow\ndown"),
    }

    def cat_file(self, path, **options):
        raise FileNotFoundError(path)

    def pipe_file(self, path, value, **options):
        raise self.reasons[path.split("/")[0]]


def test_a_process_that_sees_another_store_is_refused(url):
    store = Store(url)
    with store.marked() as token:
        store.check_same(token)
    with pytest.raises(RunError, match="leads to another place here"):
        store.check_same(token)


def test_no_message_holds_a_password():
    with pytest.raises(GradlabError) as caught:
        gradlab.compare(**GRID, runs="nix://me:secret@host/place")
    assert "secret" not in str(caught.value)
    assert "'nix://host/place'" in str(caught.value)


def test_a_url_that_became_a_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="has lost a slash"):
        gradlab.compare(**GRID, runs=tmp_path.__class__("memory://place"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "fix"])
def test_commands_that_record_into_a_folder_say_so(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run([command, "--runs", "s3://bucket/sweep"]) == 2
    assert "must be a folder here; gradlab compare alone takes a URL" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_takes_a_url(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "compare --network relu --depth 1 --seeds 1 --iterations 5 --width 4 --jobs 1"
    command = [*words.split(), "--runs", f"file://{tmp_path}/sweep", "-o", "page.html"]
    assert cli.run(command) == 0
    assert cli.run(command) == 0
    assert "1 of 1 cells reused" in capsys.readouterr().err
    assert (tmp_path / "page.html").stat().st_size > 100_000
