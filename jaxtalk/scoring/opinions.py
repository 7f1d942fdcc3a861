"""A user study as in the papers: the page that judges see, and the scores of what they gave.

The page is one file that needs no server and sends nothing: videos are inside, their order is
random for each judge, and nothing in it names a system. Which video is whose is in key.json, which
stays with the person who asks. Each judge downloads a file of ratings.
"""

import base64
import hashlib
import json
import pathlib
import random

import numpy as np

from jaxtalk.core.command_line import named_folders
from jaxtalk.core.errors import UserError
from jaxtalk.media.files import replacing
from jaxtalk.metrics.intervals import bootstrap
from jaxtalk.scoring import published
from jaxtalk.scoring.clips import common_names, files_of

QUESTIONS = ("lip sync accuracy", "motion naturalness", "video realness")
PLAYABLE = {".mp4": "video/mp4", ".webm": "video/webm"}
MAX_MEGABYTES = 300  # of all videos; browsers fail beyond
TEMPLATE = pathlib.Path(__file__).with_name("opinion_page.html")


def make_page(args):
    """Writes <out>/study.html and <out>/key.json of the systems NAME=DIR in --mos_page."""
    systems = dict(named_folders("mos_page", args.mos_page))
    files = {
        name: files_of("mos_page", folder, tuple(PLAYABLE)) for name, folder in systems.items()
    }
    names = common_names(files, args.allow_mismatch)[: args.limit]
    megabytes = sum(files[s][n].stat().st_size for s in files for n in names) / 1e6
    if megabytes > MAX_MEGABYTES:
        raise UserError(
            f"--mos_page: found {megabytes:.0f} MB of videos, expected at most {MAX_MEGABYTES} "
            "that a browser can hold; take fewer clips with --limit"
        )
    study, videos, key = hashlib.sha256(), [], {}
    for system in systems:
        for name in names:
            path = files[system][name]
            data = path.read_bytes()
            study.update(f"{args.seed} {system} {name} ".encode() + data)
            video = hashlib.sha256(f"{args.seed} {system} {name}".encode()).hexdigest()[:12]
            source = f"data:{PLAYABLE[path.suffix.lower()]};base64,"
            videos.append({"id": video, "src": source + base64.b64encode(data).decode()})
            key[video] = {"system": system, "clip": name}
    random.Random(args.seed).shuffle(videos)
    page = {"id": study.hexdigest()[:16], "questions": QUESTIONS, "videos": videos}
    # In a script element only "</" could end it.
    data = json.dumps(page).replace("</", "<\\/")
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "key.json", json.dumps({"id": page["id"], "videos": key}, indent=1) + "\n")
    _write(folder / "study.html", TEMPLATE.read_text().replace("@STUDY@", data))
    print(
        f"wrote {folder / 'study.html'}: {len(videos)} videos of {len(systems)} systems; keep "
        f"{folder / 'key.json'}, which tells whose they are, to yourself"
    )


def _write(path, text):
    with replacing(path) as temporary, open(temporary, "w") as file:
        file.write(text)


def score_opinions(args):
    """Prints the opinion scores of the files in --mos, and writes <out>/mos.json and mos.md."""
    folder = pathlib.Path(args.out)
    key = _read(folder / "key.json", "--out")
    if not isinstance(key.get("videos"), dict):
        raise UserError(f"--out: {folder / 'key.json'} is no key of a study; make one: --mos_page")
    results = {}
    for path in args.mos:
        judge, ratings = _checked_ratings(path, key)
        if judge in results:
            raise UserError(f"--mos: {path} is of a judge whose ratings are there already")
        results[judge] = ratings
    scores = opinion_scores(results, key["videos"])
    _write(folder / "mos.json", json.dumps(scores, indent=1) + "\n")
    text = markdown(scores, len(results))
    _write(folder / "mos.md", text)
    print(text)
    print(f"wrote {folder / 'mos.json'} and mos.md")


def _read(path, option):
    try:
        found = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{option}: {path} cannot be read ({error}); expected JSON") from None
    if not isinstance(found, dict):
        raise UserError(f"{option}: {path} holds no object; expected a file of the user study")
    return found


def _checked_ratings(path, key):
    """(judge, list of ratings) of a downloaded file."""
    found = _read(path, "--mos")
    if found.get("study") != key.get("id"):
        raise UserError(
            f"--mos: {path} is of the study {found.get('study')}, expected {key.get('id')}, that "
            "of --out; give the folder that --mos_page has written"
        )
    judge, ratings = found.get("judge"), found.get("ratings")
    if not isinstance(judge, str) or not isinstance(ratings, list) or not ratings:
        raise UserError(f"--mos: {path} has no judge or no ratings; expected a downloaded file")
    rated = set()
    for rating in ratings:
        video = rating.get("video") if isinstance(rating, dict) else None
        if not isinstance(video, str) or video not in key["videos"]:
            raise UserError(f"--mos: {path}: found the video {video!r}, which is not of the study")
        if video in rated:
            raise UserError(
                f"--mos: {path}: found two ratings of {video}, expected one of each video"
            )
        rated.add(video)
        for question in QUESTIONS:
            stars = rating.get(question)
            if type(stars) is not int or not 1 <= stars <= 5:
                raise UserError(
                    f"--mos: {path}: found {stars!r} for {question} of {video}, expected 1 to 5"
                )
    return judge, ratings


def opinion_scores(results, videos):
    """`mos/judges`: mean opinion scores, with 95 % intervals over judges.

    Judges are what is drawn anew for the interval (`interval/bootstrap-expanded`): ratings of one
    judge are not independent. A judge's value is the mean of the ratings that they gave a system.

    Args:
      results: {judge: list of {video, question: 1..5}}.
      videos: {video: {system, clip}}.

    Returns:
      {system: {question: {mean, interval (None for a single judge), num_ratings, num_judges}}}.
    """
    scores = {}
    for system in dict.fromkeys(video["system"] for video in videos.values()):
        scores[system] = {}
        for question in QUESTIONS:
            of_judges = [
                [r[question] for r in ratings if videos[r["video"]]["system"] == system]
                for ratings in results.values()
            ]
            of_judges = [ratings for ratings in of_judges if ratings]
            if not of_judges:
                continue
            mean, low, high = bootstrap(np.array([np.mean(ratings) for ratings in of_judges]))
            scores[system][question] = {
                "mean": mean,
                "interval": [low, high] if len(of_judges) > 1 else None,
                "num_ratings": sum(map(len, of_judges)),
                "num_judges": len(of_judges),
            }
    return scores


def markdown(scores, num_judges):
    """The scores as text in Markdown, with those that the papers have published."""

    def cell(found):
        if found is None:
            return "-"
        interval = found["interval"]
        return f"{found['mean']:.2f}" + (
            " ({:.2f} .. {:.2f})".format(*interval) if interval else ""
        )

    lines = [
        f"# Opinion scores of {num_judges} judges",
        "",
        "Mean of ratings from 1 (bad) to 5, with 95 % intervals over judges (`mos/judges`).",
        "",
        *_table(("system", *QUESTIONS), [
            [system, *(cell(found.get(question)) for question in QUESTIONS)]
            for system, found in scores.items()
        ]),
        "",
        "## Published user studies",
        "",
        "Copied from the papers: other judges, other videos, no comparison with the table above.",
    ]  # fmt: skip
    for table in published.OPINIONS:
        rows = [
            [
                f"{method} (*published*)",
                *(f"{mean:g}" + (f" ± {half:g}" if half else "") for mean, half in values),
            ]
            for method, values in table.rows
        ]
        lines += ["", f"### {table.title}", "", *_table(("system", *table.questions), rows)]
    return "\n".join([*lines, ""])


def _table(head, rows):
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]
