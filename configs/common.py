"""What the stage configs share: sizes of the two presets, and the shape of a recipe.

A *recipe* is what every file in this folder returns:

  stages       names in the order in which they are trained
  <stage>      the stage's own values: `module` (import path of the package with `make`), `model`,
               `loss`, `optimizer`, `data` (with `corpus`: another one than `dataset.name`),
               `batch_size` (global), `num_steps`, intervals
  dataset      name, data_dir, num_workers, eval_split (the split that "best" is chosen on),
               codes_dir (style codes that `jaxtalk.encode` wrote; "" = made in the work directory)
  pretrained   stage -> directory of imported weights ("" = none)
  start_from   stage -> directory of weights that its training begins from ("" = from nothing)
  use_bundle   take weights of the frozen stages from `jaxtalk/bundle` where it has them
"""

from ml_collections import ConfigDict

# The demo preset has fewer channels and pixels, and the same networks, losses and stages.
PRESETS = {
    "demo": {"image_size": 64, "w_dim": 48, "num_ws": 16, "dtype": "float32"},
    "paper": {"image_size": 256, "w_dim": 512, "num_ws": 16, "dtype": "bfloat16"},
}


def sizes(preset):
    """Sizes that all stages of a preset agree on."""
    if preset not in PRESETS:
        raise ValueError(f"preset: found {preset!r}, expected one of {sorted(PRESETS)}")
    return ConfigDict(PRESETS[preset])


def adam(
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    clip_norm=0.0,
    name="adam",
    warmup_steps=0,
    decay="none",
    floor=0.0,
):
    """Values of `jaxtalk.core.optimizers.make_optimizer`."""
    return ConfigDict(
        {
            "name": name,
            "learning_rate": learning_rate,
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "clip_norm": clip_norm,
            "warmup_steps": warmup_steps,
            "decay": decay,
            "floor": floor,
        }
    )


def stage(module, *, model, loss, data, batch_size, num_steps, **values):
    """A stage's values, with intervals (in steps) derived from its length unless given."""
    config = ConfigDict(
        {
            "module": module,
            "model": model,
            "loss": loss,
            "data": data,
            "batch_size": batch_size,
            "num_steps": num_steps,
            "log_every": max(1, num_steps // 100),
            "checkpoint_every": max(1, num_steps // 10),
            "eval_every": max(1, num_steps // 5),
            "preview_every": max(1, num_steps // 5),
            "num_eval_batches": 4,
        }
    )
    config.update(values)
    return config


def recipe(preset, stages, *, use_bundle, **values):
    """A recipe over `stages`, an ordered mapping from stage name to stage values."""
    paper = preset == "paper"
    config = ConfigDict(
        {
            "preset": preset,
            "stages": tuple(stages),
            "seed": 0,
            "use_bundle": use_bundle,
            "dataset": {
                "name": "voxceleb2/default" if paper else "procedural_heads/demo_64",
                "data_dir": "data",
                "num_workers": 8 if paper else 0,
                "eval_split": "validation",
                "codes_dir": "",
            },
            "pretrained": dict.fromkeys(stages, ""),
            "start_from": dict.fromkeys(stages, ""),
        }
    )
    for name, values_of_stage in stages.items():
        config[name] = values_of_stage
    config.update(values)
    return config
