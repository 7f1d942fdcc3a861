"""The command: a small encoder, a small corpus, kill -9, shards, and what is refused."""

import json
import socket
import sys
import time

import jax
import pytest

from jaxtalk import encode
from jaxtalk.core.errors import UserError
from jaxtalk.data import codes
from jaxtalk.training import checkpoint, encoding
from tests import small_recipe, tiny_corpus, tiny_talker


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A work directory whose main stage has brought its encoder along."""
    return tiny_talker.save(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tiny_corpus.build_tiny_corpus(tmp_path_factory.mktemp("corpus"), num_train=40)


def flags(dataset, checkpoint, out, *more):
    return [
        *(f"--dataset={dataset['name']}", f"--data_dir={dataset['data_dir']}"),
        *(f"--checkpoint={checkpoint}", f"--out={out}", *more),
    ]


def contents(folder):
    """Name -> bytes of all visible files."""
    files = [f for f in folder.rglob("*") if f.is_file() and not f.name.startswith(".")]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


@pytest.fixture(scope="module")
def whole(workdir, dataset, tmp_path_factory):
    """Folder of all codes, made in one go by a process of its own."""
    out = tmp_path_factory.mktemp("whole") / "codes"
    result = small_recipe.run([*command(), *flags(dataset, workdir, out)])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "40 of 40 clips" in result.stdout and "3 of 3 clips" in result.stdout
    return out


def command():
    return sys.executable, "-m", "jaxtalk.encode"


def test_all_splits_are_encoded(whole, workdir):
    assert {path.name for path in whole.iterdir()} == {"codes.json", "train", "test"}
    assert len(list(whole.glob("*/00000/*.npy"))) == 43
    for length in (40, 44, 48):
        assert length in {len(codes.read_codes(whole, "train", i)) for i in range(40)}
    variables, _ = encoding.load_encoder(workdir)
    note = json.loads((whole / codes.NOTE).read_text())
    assert note["weights"] == checkpoint.digest(variables)
    assert note["dataset"] == tiny_corpus.NAME


def test_killed_and_started_again(whole, workdir, dataset, tmp_path):
    """The same bits as without."""
    out = tmp_path / "codes"
    killed = small_recipe.start([*command(), *flags(dataset, workdir, out)])
    while killed.poll() is None and not list(out.glob("train/00000/0*.npy")):
        time.sleep(0.001)
    killed.kill()
    _, errors = killed.communicate()
    assert killed.returncode == -9, f"it was over before it was killed: {errors}"
    done = {path: path.stat().st_mtime_ns for path in out.glob("*/00000/0*.npy")}
    assert 0 < len(done) < 40
    result = small_recipe.run([*command(), *flags(dataset, workdir, out)])
    assert f"{40 - len(done)} of 40 clips of train to encode" in result.stdout, result.stderr
    assert contents(out) == contents(whole)
    assert {path: path.stat().st_mtime_ns for path in done} == done


def test_shards_of_two_processes_make_the_whole(whole, workdir, dataset, tmp_path):
    """Job 0/2 of two processes that know of each other, then job 1/2 alone, other files as well."""
    out = tmp_path / "codes"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    joined = ["--shard=0/2", "--distributed", f"--coordinator_address={address}"]
    processes = [
        small_recipe.start(
            [
                *(*command(), *flags(dataset, workdir, out, *joined)),
                *("--num_processes=2", f"--process_id={i}"),
            ]
        )
        for i in range(2)
    ]
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert "10 of 10 clips of train to encode" in results[0][0]  # the first one speaks
    numbers = {int(path.stem) for path in out.glob("train/00000/*.npy")}
    assert numbers == set(range(0, 40, 2))
    result = small_recipe.run([*command(), *flags(dataset, workdir, out, "--shard=1/2")])
    assert "20 of 20 clips of train to encode" in result.stdout, result.stderr
    assert contents(out) == contents(whole)


def test_codes_of_another_checkpoint_are_refused(whole, dataset, tmp_path, capsys):
    """Told in a line; the codes stay as they are."""
    config = tiny_talker.recipe()
    other = tmp_path / "psp"
    checkpoint.save_weights(other, tiny_talker.variables(config, seed=1), config)
    before = contents(whole)
    with pytest.raises(SystemExit) as stopped:
        encode.main(flags(dataset, other, whole))
    assert stopped.value.code.startswith(f"error: {whole}: found style codes of other weights ")
    assert "give another folder, or the checkpoint" in stopped.value.code
    assert contents(whole) == before


def test_weights_of_an_encoder_are_found(workdir, tmp_path):
    config = tiny_talker.recipe()
    found, values = encoding.load_encoder(workdir)
    assert sorted(found) == ["encoder", "generator"] and values.model.image_size == 32
    # Those of the stage psp go first, once it is finished; or they are named themselves.
    newer = {k: v for k, v in tiny_talker.variables(config, seed=1).items() if k in found}
    psp = tiny_talker.save(tmp_path / "run") / "psp"
    checkpoint.save_weights(psp / "weights", newer, config)
    with pytest.raises(UserError, match=r"stage psp in .*run is not finished.*name .*psp/weights"):
        encoding.load_encoder(tmp_path / "run")
    expected = checkpoint.digest(newer)
    assert expected != checkpoint.digest(found)
    assert checkpoint.digest(encoding.load_encoder(psp / "weights")[0]) == expected
    (psp / "finished.json").write_text("{}")
    assert checkpoint.digest(encoding.load_encoder(tmp_path / "run")[0]) == expected
    # The bundle's main stage was trained on the codes of its stage psp.
    bundled = checkpoint.load_weights(encoding.BUNDLE / "psp")[0]
    assert checkpoint.digest(encoding.load_encoder("bundle")[0]) == checkpoint.digest(bundled)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--checkpoint={tmp}"], "--checkpoint: found no weights of an encoder in {tmp}, expected"),
        (["--checkpoint={bundle}/syncnet"], "weights of something else in {bundle}/syncnet (sync"),
        (["--checkpoint=bundle"], "found frames of 32 x 32 px, which the encoder does not take"),
        (["--dataset=none/default"], "found no corpus none/default in"),
        (["--splits", "traim"], "split: found 'traim', expected one of "),
        (["--shard=2/2"], "--shard: found '2/2', expected i/n with i from 0 to n - 1"),
        (["--shard=one"], "--shard: found 'one', expected i/n"),
    ],
)
def test_faults_are_told_in_one_line(dataset, workdir, tmp_path, more, words):
    names = {"tmp": tmp_path, "bundle": encoding.BUNDLE}
    more = [word.format(**names) for word in more]
    with pytest.raises(SystemExit) as stopped:
        encode.main([*flags(dataset, workdir, tmp_path / "codes"), *more])
    line = stopped.value.code
    assert line.startswith("error: ") and "\n" not in line
    assert words.format(**names) in line
    assert not list(tmp_path.rglob("*.npy"))


def test_processes_and_shards_multiply(monkeypatch):
    """Job 1 of 3 has every third clip from 1, however many processes share them."""
    seen = {}
    data = type("Data", (), {"encode_corpus": staticmethod(lambda *a, **k: seen.update(k))})
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    values = {"codes_dir": "", "splits": (), "data": data, "shard": (1, 3)}
    encoding.encode_corpus(lambda v, x: x, {}, None, **values)
    assert (seen["shard_index"], seen["shard_count"]) == (4, 6)
