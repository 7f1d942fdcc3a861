"""Numbers of the papers' tables, as published, to be shown beside measured ones.

They were measured on the papers' data by the authors' tools. What those left open (windows of SSIM,
the detector of landmarks, the tracker of faces) moves a metric by more than systems differ: the
ground truth's CPBD on HDTF is 0.827 in one paper and 0.307 in another.
"""

from typing import NamedTuple


class Table(NamedTuple):
    """A table of a paper.

    title: paper, number, data. columns: (metric of `METRICS`, name in the table). rows: (method,
    values in the order of the columns, None where the paper has none). protocol: what the paper
    says of how it was measured, and what it does not.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple], ...]
    protocol: str


STYLETALKER_COLUMNS = (
    *(("ssim", "SSIM"), ("ms_ssim", "MS-SSIM"), ("psnr", "PSNR"), ("m_lmd", "LMD")),
    *(("lse_d", "LSE-D"), ("lse_c", "LSE-C")),
)
STYLETALKER_PROTOCOL = (
    "256 px, 25 fps, reconstruction; LMD of the mouth's landmarks, LSE of Wav2Lip's evaluation; "
    "windows of SSIM and the landmark detector are not stated"
)
STYLETALK_COLUMNS = (
    *(("ssim", "SSIM"), ("cpbd", "CPBD"), ("f_lmd", "F-LMD"), ("m_lmd", "M-LMD")),
    ("av_confidence", "Sync_conf"),
)
STYLETALK_PROTOCOL = (
    "256 px, 30 fps, self-driven, the first picture as reference, poses of the ground truth; "
    "windows of SSIM, the landmark detector and the face tracker are not stated"
)
AVCT_COLUMNS = (
    *(("fid", "FID"), ("cpbd", "CPBD"), ("lmd_normalised", "LMD")),
    *(("av_offset", "AVOff"), ("av_confidence", "AVConf")),
)
AVCT_PROTOCOL = (
    "256 px, 25 fps; LMD of the mouth relative to the size of the face; the features and the scale "
    "of FID, the landmark detector and the face tracker are not stated"
)
STYLELIPSYNC_PROTOCOL = (
    "256 px, 25 fps, the first frame as reference; LMD is the absolute distance; windows of SSIM, "
    "the landmark detector and the face network of CSIM are not stated"
)

TABLES = (
    Table(
        "StyleTalker (Min et al. 2022), Table 1: VoxCeleb2, identities of the training set",
        STYLETALKER_COLUMNS,
        (
            ("Wav2Lip", (0.95, None, 31.85, 0.97, 9.42, 5.64)),
            ("MakeItTalk", (0.53, 0.48, 17.27, 1.93, 10.77, 3.52)),
            ("Audio2Head", (0.42, 0.28, 12.84, 2.71, 9.04, 5.31)),
            ("PC-AVS", (0.64, 0.68, 19.63, 2.23, 7.03, 8.02)),
            ("StyleTalker", (0.63, 0.73, 19.72, 1.90, 6.45, 8.51)),
        ),
        STYLETALKER_PROTOCOL,
    ),
    Table(
        "StyleTalker (Min et al. 2022), Table 2: VoxCeleb2, unseen identities",
        STYLETALKER_COLUMNS,
        (
            ("Wav2Lip", (0.95, None, 32.47, 1.02, 10.89, 4.60)),
            ("MakeItTalk", (0.56, 0.48, 17.95, 1.92, 10.45, 4.40)),
            ("Audio2Head", (0.47, 0.34, 15.50, 2.76, 8.93, 5.91)),
            ("PC-AVS", (0.64, 0.66, 20.03, 2.27, 6.85, 8.62)),
            ("StyleTalker", (0.62, 0.66, 19.73, 1.91, 6.07, 9.19)),
        ),
        STYLETALKER_PROTOCOL,
    ),
    Table(
        "StyleTalk (Ma et al. 2023), Table 1: MEAD",
        STYLETALK_COLUMNS,
        (
            ("MakeItTalk", (0.725, 0.106, 3.969, 5.324, 2.104)),
            ("Wav2Lip", (0.795, 0.178, 2.718, 4.052, 5.257)),
            ("PC-AVS", (0.504, 0.071, 5.828, 4.970, 2.183)),
            ("AVCT", (0.832, 0.139, 2.923, 5.520, 2.525)),
            ("GC-AVT", (0.340, 0.142, 8.039, 7.103, 2.417)),
            ("EAMM", (0.397, 0.084, 6.698, 6.478, 1.405)),
            ("Ground truth", (1, 0.222, 0, 0, 4.131)),
            ("StyleTalk", (0.837, 0.164, 2.122, 3.249, 3.474)),
        ),
        STYLETALK_PROTOCOL,
    ),
    Table(
        "StyleTalk (Ma et al. 2023), Table 1: HDTF",
        STYLETALK_COLUMNS,
        (
            ("MakeItTalk", (0.593, 0.248, 5.084, 4.447, 2.563)),
            ("Wav2Lip", (0.618, 0.299, 4.544, 3.630, 3.072)),
            ("PC-AVS", (0.422, 0.132, 10.506, 3.931, 2.701)),
            ("AVCT", (0.755, 0.233, 2.733, 3.610, 3.147)),
            ("GC-AVT", (0.337, 0.296, 10.537, 6.206, 2.772)),
            ("EAMM", (0.387, 0.144, 7.031, 6.857, 1.799)),
            ("Ground truth", (1, 0.307, 0, 0, 3.961)),
            ("StyleTalk", (0.812, 0.302, 1.941, 2.412, 3.165)),
        ),
        STYLETALK_PROTOCOL,
    ),
    Table(
        "AVCT (Wang et al. 2022), Table 1: HDTF",
        AVCT_COLUMNS,
        (
            ("Wav2Lip", (0.180, 0.790, 0.289, -2.92, 6.97)),
            ("MakeItTalk", (0.210, 0.694, 0.546, -2.93, 4.87)),
            ("Audio2Head", (0.176, 0.732, 0.483, 0.33, 3.90)),
            ("FGTF", (0.187, 0.738, 0.387, 1.05, 4.24)),
            ("PC-AVS", (0.238, 0.725, 0.318, -3.00, 7.18)),
            ("Ground truth", (0, 0.827, 0, 0.15, 8.58)),
            ("AVCT", (0.172, 0.751, 0.271, -0.33, 7.09)),
        ),
        AVCT_PROTOCOL,
    ),
    Table(
        "AVCT (Wang et al. 2022), Table 1: VoxCeleb2",
        AVCT_COLUMNS,
        (
            ("Wav2Lip", (0.203, 0.541, 0.273, -2.92, 6.65)),
            ("MakeItTalk", (0.230, 0.550, 0.482, -2.83, 4.38)),
            ("Audio2Head", (0.224, 0.532, 0.314, 0.50, 2.47)),
            ("FGTF", (0.212, 0.559, 0.283, 0.491, 4.54)),
            ("PC-AVS", (0.276, 0.514, 0.251, -3.00, 6.83)),
            ("Ground truth", (0, 0.612, 0, -2.33, 7.16)),
            ("AVCT", (0.194, 0.564, 0.252, -0.08, 6.98)),
        ),
        AVCT_PROTOCOL,
    ),
    Table(
        "StyleLipSync (Ki and Min 2023), Table 1: VoxCeleb2, reconstruction",
        (
            ("ssim", "SSIM"),
            ("psnr", "PSNR"),
            ("lmd", "LMD"),
            ("lse_d", "LSE-D"),
            ("lse_c", "LSE-C"),
        ),
        (
            ("Wav2Lip, 96 px", (0.448, 13.534, 6.422, 6.999, 8.329)),
            ("ATVG, 128 px", (0.461, 13.349, 7.165, 8.821, 5.421)),
            ("MakeItTalk, 256 px", (0.419, 12.868, 3.649, 10.895, 3.624)),
            ("PC-AVS, 224 px", (0.369, 13.210, 2.812, 7.278, 7.699)),
            ("StyleLipSync, 256 px", (0.631, 19.607, 2.696, 6.628, 8.056)),
        ),
        STYLELIPSYNC_PROTOCOL,
    ),
    Table(
        "StyleLipSync (Ki and Min 2023), Table 2: HDTF, cross-identity",
        (("csim", "CSIM"), ("lse_d", "LSE-D"), ("lse_c", "LSE-C")),
        (
            ("Wav2Lip, 96 px", (0.656, 7.047, 8.576)),
            ("ATVG, 128 px", (0.287, 8.668, 6.040)),
            ("MakeItTalk, 256 px", (0.770, 10.641, 4.725)),
            ("PC-AVS, 224 px", (0.238, 6.921, 8.858)),
            ("StyleLipSync, 256 px", (0.737, 6.825, 8.209)),
        ),
        STYLELIPSYNC_PROTOCOL,
    ),
)


ABLATION = Table(
    "StyleTalker (Min et al. 2022), Table 4: VoxCeleb2",
    (("lse_c", "LSE-C"),),
    (("StyleTalker", (8.51,)), ("without the flow", (8.48,)), ("without SyncNet", (6.71,))),
    "256 px, 25 fps, LSE of Wav2Lip's evaluation; the paper's other columns are preferences of "
    "judges, 86.11 % for the flow",
)


class OpinionTable(NamedTuple):
    """A user study; rows: (method, ((mean, half of the 95 % interval or None) by question))."""

    title: str
    questions: tuple[str, ...]
    rows: tuple[tuple[str, tuple], ...]


OPINIONS = (
    OpinionTable(
        "StyleTalker (Min et al. 2022), Table 3: 20 judges, 4 videos each",
        ("lip sync accuracy", "motion naturalness", "video realness"),
        (
            ("Wav2Lip", ((3.5, 0.32), (1.75, 0.31), (1.61, 0.21))),
            ("MakeItTalk", ((2.77, 0.37), (2.52, 0.32), (2.52, 0.33))),
            ("Audio2Head", ((2.56, 0.38), (2.68, 0.32), (2.45, 0.33))),
            ("StyleTalker, from audio", ((4.06, 0.22), (3.47, 0.31), (3.11, 0.35))),
            ("PC-AVS, with motion", ((3.70, 0.30), (2.93, 0.31), (2.75, 0.36))),
            ("StyleTalker, with motion", ((3.77, 0.26), (3.65, 0.31), (3.5, 0.35))),
        ),
    ),
    OpinionTable(
        "AVCT (Wang et al. 2022), Table 3: 19 judges, 21 videos",
        ("lip sync quality", "head movement naturalness", "video realness"),
        tuple(
            (method, tuple((mean, None) for mean in means))
            for method, means in (
                ("Wav2Lip", (3.80, 1.21, 1.68)),
                ("MakeItTalk", (2.65, 2.04, 1.70)),
                ("Audio2Head", (2.07, 3.79, 3.21)),
                ("FGTF", (2.43, 3.74, 3.08)),
                ("PC-AVS", (3.74, 1.79, 2.14)),
                ("Ground truth", (4.96, 4.89, 4.89)),
                ("AVCT", (4.32, 4.11, 3.86)),
            )
        ),
    ),
    OpinionTable(
        "StyleLipSync (Ki and Min 2023), Table 4: 20 judges, 5 videos of each model",
        ("lip-sync accuracy", "face similarity", "visual quality"),
        (
            ("Wav2Lip", ((3.76, 0.20), (2.98, 0.25), (2.03, 0.21))),
            ("ATVG", ((2.19, 0.21), (2.45, 0.25), (1.54, 0.17))),
            ("MakeItTalk", ((2.32, 0.24), (3.47, 0.23), (2.95, 0.24))),
            ("PC-AVS", ((3.28, 0.21), (2.55, 0.22), (2.51, 0.22))),
            ("StyleLipSync", ((4.01, 0.16), (3.42, 0.22), (3.55, 0.20))),
            ("StyleLipSync, personalised", ((3.52, 0.21), (4.03, 0.17), (3.64, 0.19))),
        ),
    ),
)
