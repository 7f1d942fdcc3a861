import pytest
from absl import flags

from jaxtalk.core.errors import UserError
from jaxtalk.training import command_line

CONFIG = "tests/training/tiny_stage.py"

pytestmark = [
    # ml_collections loads config files with a function that Python deprecates.
    pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*spec_from_loader:DeprecationWarning"),
]


def parse(*arguments):
    argv, values = ["train", *arguments], flags.FlagValues()
    command_line.define_flags(values, argv)
    command_line.parse(argv, values)
    return values


def test_values_of_the_config_can_be_changed():
    values = parse("--config", CONFIG, "--config.psp.num_steps=7", "--dry_run", "--stage=psp")
    assert values.config.psp.num_steps == 7
    assert values.config.styletalker.num_steps == 12
    assert values.config.is_locked
    assert values.dry_run and values.stage == "psp" and not values.distributed


def test_preset():
    assert parse(f"--config={CONFIG}:poison").config.psp.loss.poison_step == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [f"--config={CONFIG}", "--config.psp.num_step=3"],
            "--config.psp.num_step: no such value; did you mean --config.psp.num_steps?",
        ),
        (
            ["--config", CONFIG, "--config.pps.model.width=3"],
            "--config.pps.model.width: no such value; did you mean --config.psp.model.width?",
        ),
        (
            [f"--config={CONFIG}:poisn"],
            f"--config={CONFIG}:poisn: preset: found 'poisn', expected one of ['tiny', 'poison']; "
            "did you mean 'poison'?",
        ),
        (
            ["--config=configs/no.py"],
            "--config=configs/no.py: found no such file, expected configs/<name>.py[:<preset>]",
        ),
        (
            [f"--config={CONFIG}", "--config.psp.num_steps=many"],
            "flag --config.psp.num_steps=many: invalid literal for int() with base 10: 'many'",
        ),
        (
            [f"--config={CONFIG}", "--wrokdir=x"],
            "Unknown command line flag 'wrokdir'. Did you mean: workdir ?",
        ),
        (
            [f"--config={CONFIG}", "psp"],
            "arguments: found 'psp', expected only flags (--name=value)",
        ),
        ([], "flag --config=None: Flag --config must have a value other than None."),
    ],
)
def test_faults_are_told_in_one_line(arguments, message):
    with pytest.raises(UserError) as error:
        parse(*arguments)
    assert str(error.value) == message
