"""Does a face mesh that nobody here wrote see people who talk? Needs launch/install_face.sh.

python -m tfds_builders.procedural_heads.face_mesh_check --data_dir data --config heads_256

MediaPipe 0.10.21's face mesh, static mode (each frame on its own), looks at every frame of the test
split. Counted are the frames in which it finds a face, and, per clip, the correlation over time of
the mouth opening that it measures (inner lips 13-14 over face height 10-152) with the true one
(distance of the inner lips' landmarks 62 and 66 in cm). Clips count only if they have at least 12
frames with a face and their true opening spans at least 0.8 cm. Never pooled over clips: faces
differ in what a closed mouth measures.
"""

import argparse
import io
import os
import sys

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxtalk.core.errors import UserError

MIN_FRAMES, MIN_SPAN_CM = 12, 0.8
BAR_DETECTED, BAR_MEAN, BAR_LOW, BAR_PART = 0.98, 0.9, 0.8, 0.9


def opening_cm(mesh):
    """True mouth opening [T] of a corpus mesh [T, V, 3], whose first vertices are the landmarks."""
    return np.linalg.norm(mesh[:, 62] - mesh[:, 66], axis=-1)


def measured_opening(landmarks):
    """Inner lips over face height, of one result of the face mesh [468, 3]."""
    lips = np.linalg.norm(landmarks[13, :2] - landmarks[14, :2])
    return lips / np.linalg.norm(landmarks[10, :2] - landmarks[152, :2])


def clip_correlation(true_cm, measured):
    """Correlation of a clip, or None where it does not count; `measured` is NaN without a face."""
    seen = np.isfinite(measured)
    if seen.sum() < MIN_FRAMES or np.ptp(true_cm[seen]) < MIN_SPAN_CM:
        return None
    if np.ptp(measured[seen]) == 0.0:
        return 0.0
    return float(np.corrcoef(true_cm[seen], measured[seen])[0, 1])


def summary(num_frames, num_found, correlations):
    """{measure: value} and whether the bar is passed."""
    r = np.array([value for value in correlations if value is not None])
    values = {
        "frames": num_frames,
        "detected": num_found / max(1, num_frames),
        "clips": len(r),
        "mouth_r_mean": float(r.mean()) if len(r) else 0.0,
        "mouth_r_min": float(r.min()) if len(r) else 0.0,
        "clips_at_0.8": float((r >= BAR_LOW).mean()) if len(r) else 0.0,
    }
    passed = values["detected"] >= BAR_DETECTED and values["mouth_r_mean"] >= BAR_MEAN
    return values, passed and values["clips_at_0.8"] >= BAR_PART


def _face_mesh():
    try:
        from mediapipe.python.solutions import face_mesh
    except ImportError as error:
        raise UserError(
            f"mediapipe: cannot be imported ({error}); run bash launch/install_face.sh"
        ) from None
    return face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=False)


def _measure(mesh, image):
    result = mesh.process(image)
    if not result.multi_face_landmarks:
        return np.nan
    height, width = image.shape[:2]
    points = result.multi_face_landmarks[0].landmark
    return measured_opening(np.array([(p.x * width, p.y * height, p.z * width) for p in points]))


def check(directory, split="test"):
    """(values, passed) of `summary` for a built corpus.

    Raises:
      UserError: no such split, or no mediapipe.
    """
    builder = tfds.builder_from_directory(directory)
    if split not in builder.info.splits:
        raise UserError(f"--split: found {split}, expected one of {', '.join(builder.info.splits)}")
    source = builder.as_data_source(split)
    mesh = _face_mesh()
    num_frames = num_found = 0
    correlations = []
    for example in source:
        images = (np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in example["video"])
        measured = np.array([_measure(mesh, image) for image in images])
        correlations.append(clip_correlation(opening_cm(example["mesh"]), measured))
        num_frames += len(measured)
        num_found += int(np.isfinite(measured).sum())
        r = correlations[-1]
        shown = "does not count" if r is None else f"{r:.3f}"
        found = np.isfinite(measured).mean()
        print(f"{example['source_id'].decode()}: {found:.3f} found, r {shown}")
    return summary(num_frames, num_found, correlations)


def main(argv=None):
    """Command line; exit status 0 when the bar is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--config", default="heads_256")
    parser.add_argument("--split", default="test")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    args = parser.parse_args(argv)
    directory = os.path.join(args.data_dir, "procedural_heads", args.config, "1.0.0")
    try:
        if not os.path.isdir(directory):
            raise UserError(
                f"--data_dir: found no {directory}; build it with "
                f"python -m tfds_builders.procedural_heads.build --config {args.config} "
                f"--data_dir {args.data_dir}"
            )
        values, passed = check(directory, args.split)
    except (UserError, OSError) as error:  # OSError: a corpus that cannot be read
        if args.debug:
            raise
        sys.exit(f"error: {error}")
    for name, value in values.items():
        print(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}")
    print("passed" if passed else "missed")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
