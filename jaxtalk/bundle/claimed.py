"""What was measured of a bundle, for its card."""

import json
import pathlib

from jaxtalk.core.errors import UserError
from jaxtalk.evaluation.claims import CLAIMS
from jaxtalk.training.checkpoint import digest, has_weights, load_weights

STAGE = "styletalker"
SPLIT = "test"


def claims_of(path, packed):
    """The claims of a report, for the card: {"claims": {claim: values}, "claims_measured_on": ...}.

    The report must be of the weights that are packed, by the name that `Talker` gives them, of all
    claims, and of people that training never saw. Left to the user is what it does not tell: which
    ablations were compared with, and values of the config, such as `prior_scale`, that were changed
    since.

    Args:
      path: of the report.json that `jaxtalk.evaluate --checkpoint` writes.
      packed: directory of what is packed.

    Raises:
      UserError: no such report, one of another checkpoint or split, or one of some claims only.
    """
    try:
        report = json.loads(pathlib.Path(path).read_text())
        model = report["model"]
        where = {key: report[key] for key in ("dataset", "split", "seed", "num_clips")}
        claims = {
            row["claim"]: {
                **{key: row[key] for key in ("name", "value", "interval")},
                "bar": [row["low"], row["high"]],  # None: no bar on that side
                **{key: row[key] for key in ("reached", "interval_agrees", "num_clips")},
            }
            for row in report["claims"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"--claims: found no report of claims in {path} ({error!r}), expected the report.json "
            "that `bash launch/check_bundle.sh` writes; run that first"
        ) from error
    expected = model_name(packed)
    if model != expected:
        raise UserError(
            f"--claims: found a report of {model} in {path}, expected one of {expected}, the "
            "weights of this bundle; make it without --claims, then run "
            "`bash launch/check_bundle.sh`, then make it again with its report"
        )
    missing = [key for key in CLAIMS if key not in claims]
    if missing or where["split"] != SPLIT:
        raise UserError(
            f"--claims: found a report of {len(claims)} claims on {where['split']!r} in {path}, "
            f"expected all {len(CLAIMS)} on {SPLIT!r}; run `bash launch/check_bundle.sh` without "
            "options"
        )
    return {"claims": claims, "claims_measured_on": where}


def model_name(packed):
    """`Talker.name` of what is packed; UserError without the stages that a Talker has."""
    missing = [name for name in ("psp", STAGE) if not has_weights(packed / name)]
    if missing:
        raise UserError(
            f"--claims: found no {' and no '.join(missing)} in this bundle, expected both psp and "
            f"{STAGE}, whose claims these are; train them in the run"
        )
    variables, config = load_weights(packed / STAGE)
    return f"{STAGE}-{config.preset}-{digest(load_weights(packed / 'psp')[0] | variables)[:8]}"
