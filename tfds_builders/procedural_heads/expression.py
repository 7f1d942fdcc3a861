"""The 64 expression parameters: the basis of this corpus.

The layout follows StyleTalk's use of 64 parameters of a morphable model: the 13 of the lower face
have the indices 0 1 2 3 4 5 7 9 10 11 12 13 14, those of the upper face all others. Parameters act
on the mesh one by one (see `shape.py`); indices without a name below are always 0.

| name                       | unit, range | what moves                                           |
|----------------------------|-------------|------------------------------------------------------|
| jaw_open                   | cm, 0..2.2  | chin, lower lip; the gap of relaxed lips             |
| lip_wide                   | -1..1       | mouth corners outwards (inwards when negative)       |
| lip_round                  | 0..1        | corners inwards, both lips forwards                  |
| lip_press                  | 0..1        | seals the lips whatever the jaw does, rolls them in  |
| upper_lip_raise            | 0..1        | upper lip up, shows the upper teeth                  |
| lower_lip_drop             | 0..1        | lower lip down, shows the lower teeth                |
| lip_tuck                   | 0..1        | lower lip under the upper teeth (f, v)               |
| tongue_up                  | 0..1        | tongue behind or between the teeth                   |
| smile                      | 0..1        | corners up and out, cheeks up                        |
| corner_down                | 0..1        | corners down                                         |
| jaw_side                   | cm, -.4...4 | chin sideways                                        |
| smile_side                 | -1..1       | more smile on one side                               |
| cheek_puff                 | -1..1       | cheeks out                                           |
| blink_left, _right         | 0..1        | upper lid from open to closed                        |
| brow_inner, brow_outer     | -1..1       | ends of both brows up                                |
| brow_lower                 | 0..1        | brows down and together                              |
| eye_wide                   | -1..1       | lids apart                                           |
| squint                     | 0..1        | lower lids up                                        |
| gaze_yaw, gaze_pitch       | rad         | eyeballs, relative to the head                       |
| nose_wrinkle               | 0..1        | nose wings and upper lip up                          |
| brow_side                  | -1..1       | one brow higher than the other                       |

"left" and "right" are those of the picture, as in the 68 landmarks.
"""

NUM_EXPRESSION = 64
LOWER_FACE = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)

_LOWER_NAMES = (
    "jaw_open lip_wide lip_round lip_press upper_lip_raise lower_lip_drop lip_tuck tongue_up smile "
    "corner_down jaw_side smile_side cheek_puff"
).split()
_UPPER_NAMES = (
    "blink_left blink_right brow_inner brow_outer brow_lower eye_wide squint gaze_yaw gaze_pitch "
    "nose_wrinkle brow_side"
).split()
_UPPER_FACE = tuple(i for i in range(NUM_EXPRESSION) if i not in LOWER_FACE)

INDEX = dict(zip(_LOWER_NAMES, LOWER_FACE)) | dict(zip(_UPPER_NAMES, _UPPER_FACE))
