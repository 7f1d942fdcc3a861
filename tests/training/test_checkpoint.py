import io
import json
import os
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct
from ml_collections import ConfigDict

from jaxtalk.core.errors import UserError
from jaxtalk.core.state import TrainState
from jaxtalk.training import checkpoint
from jaxtalk.training.checkpoint import Checkpoints

CONFIG = ConfigDict({"stages": ("a", "b"), "a": {"model": {"width": 4, "scale": 0.5, "x": None}}})


def variables():
    rng = np.random.default_rng(0)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 2)), jnp.float32)
    return {
        "gen": {"params": {"conv.0": {"kernel": kernel}}, "moving": {"count": jnp.int32(7)}},
        "disc": {"params": {"bias": jnp.zeros((), jnp.float32)}},
    }


def state(width=3, dtype=jnp.float32):
    params = {"net": {"params": {"kernel": jnp.arange(width, dtype=dtype)}, "stats": {}}}
    optimizer = optax.chain(optax.identity(), optax.adam(0.1))
    opt_state = {"net": optimizer.init(params["net"]["params"])}
    return TrainState.create(params, opt_state, ema_networks=("net",))


def shapes(tree):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def test_weights_come_back(tmp_path):
    checkpoint.save_weights(tmp_path / "new" / "weights", variables(), CONFIG)
    loaded, config = checkpoint.load_weights(tmp_path / "new" / "weights")
    jax.tree.map(np.testing.assert_array_equal, loaded, variables())
    assert jax.tree.all(jax.tree.map(lambda a, b: a.dtype == b.dtype, loaded, variables()))
    assert config == CONFIG == checkpoint.load_config(tmp_path / "new" / "weights")
    assert isinstance(config.stages, tuple)
    assert os.listdir(tmp_path / "new" / "weights") == ["weights.npz"]


def test_weights_are_replaced_as_a_whole(tmp_path, monkeypatch):
    checkpoint.save_weights(tmp_path, variables(), CONFIG)
    before = (tmp_path / "weights.npz").read_bytes()

    def fail(file, **arrays):
        file.write(b"half of it")
        raise OSError("disk is full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="full"):
        checkpoint.save_weights(tmp_path, variables(), CONFIG)
    assert (tmp_path / "weights.npz").read_bytes() == before


def test_weights_that_npz_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="net/params/a: bfloat16"):
        checkpoint.save_weights(tmp_path, {"net": {"params": {"a": jnp.zeros(2, "bfloat16")}}}, {})


def archive(**members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return data.getvalue()


def npy(array):
    data = io.BytesIO()
    np.save(data, array, allow_pickle=True)
    return data.getvalue()


class Trap:
    def __reduce__(self):
        return os._exit, (3,)


CONFIG_MEMBER = npy(np.frombuffer(json.dumps({}).encode(), np.uint8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        archive(a=npy(np.zeros(3))),
        archive(a=b"\x93NUMPY\x01\x00", **{"config.json": CONFIG_MEMBER}),
        archive(a=npy(np.array([Trap()])), **{"config.json": CONFIG_MEMBER}),
        archive(**{"config.json": npy(np.frombuffer(b"{", np.uint8))}),
    ],
    ids=["empty", "text", "no config", "cut off", "pickle", "bad json"],
)
def test_weights_that_cannot_be_read(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as error:
        checkpoint.load_weights(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_weights_that_are_not_there(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UserError, match="found no"):
            checkpoint.load_weights(directory)
        assert not checkpoint.has_weights(directory)


def test_digest_is_of_the_values():
    digest = checkpoint.digest(variables())
    assert digest == checkpoint.digest(jax.device_get(variables()))
    other = variables()
    other["gen"]["moving"]["count"] = jnp.int32(8)
    assert digest != checkpoint.digest(other)
    other["gen"]["moving"]["count"] = jnp.uint32(7)
    assert digest != checkpoint.digest(other)


def test_state_comes_back_although_its_buffers_are_reused(tmp_path):
    @jax.jit
    def fresh():
        return {"x": jnp.zeros((500, 1000)), "step": jnp.zeros((), jnp.int32)}

    step = jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)
    value = fresh()
    with Checkpoints(tmp_path) as checkpoints:
        for at in range(1, 9):
            value = step(value)
            if at == 4:
                checkpoints.save(at, value, {})
        checkpoints.wait()
        loaded = checkpoints.restore(4, shapes(value))
    np.testing.assert_array_equal(loaded["x"], np.full((500, 1000), 4.0))
    assert loaded["step"] == 4


def test_newest_and_best_are_kept(tmp_path):
    saved = state()
    with Checkpoints(tmp_path) as checkpoints:
        for step, best in [(1, None), (2, 2), (3, 2), (4, 2)]:
            checkpoints.save(step, saved, {"best": best}, best_step=best)
        checkpoints.wait()
        assert checkpoints.steps() == [2, 4]
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.read_run(4) == {"best": 2}
        loaded = checkpoints.restore(4, shapes(saved))
        assert jax.tree.structure(loaded) == jax.tree.structure(saved)
        jax.tree.map(np.testing.assert_array_equal, loaded, saved)
        checkpoints.save(5, saved, {"best": 5}, best_step=5)
        checkpoints.wait()
        assert checkpoints.steps() == [5]


@struct.dataclass
class Other:
    step: jax.Array


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: state(dtype=jnp.int32), r"ema/net/params/kernel: found 'float32\[3\]', expected "),
        (lambda: state(width=4), r"found 'float32\[3\]', expected 'float32\[4\]'"),
        (lambda: Other(jnp.zeros((), jnp.int32)), r"found 'float32\[3\]', expected 'nothing'"),
    ],
    ids=["dtype", "shape", "names"],
)
def test_state_of_another_network(tmp_path, other, message):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(), {})
        checkpoints.wait()
        with pytest.raises(UserError, match=message) as error:
            checkpoints.restore(1, shapes(other()))
    assert "\n" not in str(error.value)


def test_damaged_checkpoint(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(), {"best": None})
    for name in ("run", "state"):
        for file in (tmp_path / "1" / name).rglob("*"):
            if file.is_file():
                file.write_bytes(b"")
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(UserError, match="1 cannot be read"):
            checkpoints.read_run(1)
        with pytest.raises(UserError, match="1 cannot be read"):
            checkpoints.restore(1, shapes(state()))
