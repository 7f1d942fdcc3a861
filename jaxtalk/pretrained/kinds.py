"""The public weights that `jaxtalk.convert` knows: files, licences, networks of each kind."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxtalk.core.errors import UserError
from jaxtalk.nn.arcface import IRSE50
from jaxtalk.nn.avct import AudioToKeypoints, AudioToPose
from jaxtalk.nn.first_order import Generator as FirstOrderGenerator
from jaxtalk.nn.inception import Inception
from jaxtalk.nn.iresnet import IResNet
from jaxtalk.nn.keypoint_detector import KeypointDetector, Keypoints
from jaxtalk.nn.lpips import LPIPS
from jaxtalk.nn.multi_scale_discriminator import MultiScaleDiscriminator
from jaxtalk.nn.pirenderer import FaceRenderer
from jaxtalk.nn.psp import Encoder
from jaxtalk.nn.resnet50 import FaceReconstructor
from jaxtalk.nn.stylegan2_generator import Generator as StyleGAN2Generator
from jaxtalk.nn.stylegan3 import Generator as StyleGAN3Generator
from jaxtalk.nn.styletalk import StyleTalk
from jaxtalk.nn.syncnet_cz import SyncNetCZ
from jaxtalk.nn.vgg import VGG19
from jaxtalk.nn.wav2lip_syncnet import Wav2LipSyncNet
from jaxtalk.pretrained import (
    arcface,
    avct,
    conversion,
    first_order,
    inception,
    iresnet,
    lpips,
    multi_scale_discriminator,
    nvidia_pickle,
    pirenderer,
    psp,
    resnet50,
    stylegan2_generator,
    stylegan3,
    styletalk,
    syncnet_cz,
    vgg19,
    wav2lip_syncnet,
)
from jaxtalk.pretrained.conversion import Kind, Part, public_fields, public_part, reader

NVIDIA = "code and weights: NVIDIA Source Code License, non-commercial"


def _floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _integers(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def _generator_part(from_state_dict, module, of_stage):
    def build(values):
        values = values.generator if of_stage else values
        labels = [_floats(1, values["c_dim"])] if values.get("c_dim") else []
        return module(**values), [_floats(1, values["z_dim"]), *labels]

    return Part(from_state_dict, build, {} if of_stage else public_fields(module))


def _read_generator(path):
    network = nvidia_pickle.read(path, "G_ema")
    return network.state_dict, network.arguments


def _configure_stylegan3(model, state, arguments):
    del state
    _update(model.generator, stylegan3.fields(arguments), StyleGAN3Generator)
    model.discriminator.resolution = model.generator.resolution


def _configure_stylegan2(model, state, arguments):
    del state
    model["generator"].update(stylegan2_generator.fields(arguments))


def _read_psp(path):
    return _read_generator(path) if str(path).endswith(".pkl") else (psp.read(path), {})


def _configure_psp(model, state, arguments):
    fields = psp.fields(state)
    model.image_size = fields.pop("image_size", model.image_size)
    _update(model.encoder, fields, Encoder)
    if arguments:
        _update(model.generator, stylegan3.fields(arguments), StyleGAN3Generator)
    else:
        model.generator = {}  # so that recipes, which need it, tell that it is missing


def _generator_of_psp(state, model):
    """The encoder's StyleGAN3 with the mean code that its offsets add to, or that code alone."""
    own = {n: a for n, a in state.items() if n.startswith(("mapping.", "synthesis."))}
    if not own:
        return {"generator": psp.mean_code(state, model.encoder.w_dim)}
    part, files = KINDS["stylegan3"].parts["generator"], KINDS["stylegan3"].files
    generator = conversion.convert_part(part, own, model, files)
    num_ws = model.generator.num_layers + 2
    if (num_ws, model.generator.w_dim) != (model.encoder.num_styles, model.encoder.w_dim):
        raise UserError(
            f"--input2: found a generator of {num_ws} styles of {model.generator.w_dim}, expected "
            f"{model.encoder.num_styles} of {model.encoder.w_dim}, those of the encoder"
        )
    if "latent_avg" in state:
        generator["moving"] |= psp.mean_code(state, model.encoder.w_dim)["moving"]
    return {"generator": generator}


def _configure_iresnet(model, state, arguments):
    del arguments
    model["iresnet"].update(iresnet.fields(state))


def _configure_discriminator(model, state, arguments):
    del arguments
    model["discriminator"].update(multi_scale_discriminator.fields(state))


def _discriminator(values):
    count = values["num_keypoints"]
    return MultiScaleDiscriminator(**values), [_IMAGES, *([_floats(1, count, 2)] if count else [])]


def _update(values, fields, module):
    """Sets the fields that a config has, and those that are not at their default."""
    defaults = {field.name: field.default for field in dataclasses.fields(module)}
    for name, value in fields.items():
        if name in values or value != defaults[name]:
            values[name] = value


_IMAGES = _floats(1, 256, 256, 3)
_KEYPOINTS = Keypoints(_floats(1, 10, 2), _floats(1, 10, 2, 2))
_DETECTOR = public_part(
    first_order.keypoint_detector_from_state_dict, KeypointDetector, _IMAGES, prefix="kp_detector."
)
_ANIMATOR = public_part(
    first_order.generator_from_state_dict,
    FirstOrderGenerator,
    *(_IMAGES, _KEYPOINTS, _KEYPOINTS),
    prefix="generator.",
)

KINDS = {
    "lpips": Kind(
        "torchvision's vgg16 and, as --input2, LPIPS v0.1 vgg.pth; or the whole LPIPS module",
        "code: BSD 3-Clause (torchvision), BSD 2-Clause (LPIPS); weights: see the "
        "repositories, the trunk's were trained on ImageNet",
        {
            "lpips": Part(
                lpips.from_state_dict,
                lambda model: (LPIPS(width=model.width), [_floats(1, 16, 16, 3)] * 2),
            )
        },
        stage="perceptual",
        num_inputs=2,
        golden={"lpips_vgg": lpips.check},
    ),
    "arcface": Kind(
        "model_ir_se50.pth, the recogniser of pSp's identity loss",
        "code: MIT (InsightFace_Pytorch); weights: see the repository",
        {
            "arcface": Part(
                arcface.from_state_dict,
                lambda model: (
                    IRSE50(model.width, model.embedding_dim, model.face_size),
                    [_floats(1, model.face_size, model.face_size, 3)],
                ),
            )
        },
        stage="arcface",
        golden={"psp_arcface_irse50_112": arcface.check},
    ),
    "stylegan3": Kind(
        "a .pkl of NVIDIA's stylegan3, such as stylegan3-t-ffhqu-256x256.pkl, T or R, any size",
        NVIDIA,
        {"generator": _generator_part(stylegan3.from_state_dict, StyleGAN3Generator, True)},
        stage="stylegan3",
        read=_read_generator,
        configure=_configure_stylegan3,
        golden={
            "sg3_t256_cb1024_cm16": stylegan3.check,
            "sg3_r256_cb1024_cm16": stylegan3.check,
            "sg3_t256_cb2048_cm32": stylegan3.check,
            "sg3_r256_cb2048_cm32": stylegan3.check,
        },
    ),
    "stylegan2": Kind(
        "a .pkl of NVIDIA's stylegan2-ada-pytorch or stylegan3 with a StyleGAN2 generator of "
        "architecture skip, such as ffhq.pkl",
        NVIDIA,
        {
            "generator": _generator_part(
                stylegan2_generator.from_state_dict, StyleGAN2Generator, False
            )
        },
        read=_read_generator,
        configure=_configure_stylegan2,
        golden={
            "sg2_256_cb1024_cm16": stylegan2_generator.check,
            "sg2ada_256_cb1024_cm16": stylegan2_generator.check,
        },
    ),
    "psp": Kind(
        "psp_ffhq_encode.pt of pixel2style2pixel: the encoder and the mean code; its StyleGAN2 "
        "decoder is left out; of one for a StyleGAN3, the generator's .pkl is the second file",
        "code: MIT (pixel2style2pixel); weights: see the repository, trained on FFHQ, which is "
        "CC BY-NC-SA 4.0",
        {
            "encoder": Part(
                psp.from_state_dict,
                lambda model: (
                    Encoder(**model.encoder, image_size=model.image_size),
                    [_floats(1, model.image_size, model.image_size, 3)],
                ),
            )
        },
        stage="psp",
        num_inputs=2,
        read=_read_psp,
        configure=_configure_psp,
        others=_generator_of_psp,
        golden={"psp_gradual_irse50_n16": psp.check, "psp_gradual_ir50_n18": psp.check},
    ),
    "vgg19": Kind(
        "torchvision's vgg19 (vgg19-dcbb9e9d.pth)",
        "code: BSD 3-Clause (torchvision); weights: see the repository, trained on ImageNet",
        {"vgg19": public_part(vgg19.from_state_dict, VGG19, _floats(1, 16, 16, 3))},
        golden={"vgg19_features": vgg19.check},
    ),
    "wav2lip_syncnet": Kind(
        "lipsync_expert.pth, the lip-sync expert of Wav2Lip",
        "code and weights: personal, research, non-commercial use (Wav2Lip); trained on LRS2",
        {
            "wav2lip_syncnet": public_part(
                wav2lip_syncnet.from_state_dict,
                Wav2LipSyncNet,
                *(_floats(1, 5, 48, 96, 3), _floats(1, 16, 80)),
            )
        },
        golden={"wav2lip_syncnet_color": wav2lip_syncnet.check},
    ),
    "syncnet": Kind(
        "syncnet_v2.model of syncnet_python",
        "code: MIT (syncnet_python); weights: see the repository",
        {
            "syncnet": public_part(
                syncnet_cz.from_state_dict,
                SyncNetCZ,
                *(_floats(1, 5, 224, 224, 3), _floats(1, 20, 13)),
            )
        },
        golden={"syncnet_python_lse": syncnet_cz.check},
    ),
    "iresnet": Kind(
        "backbone.pth of InsightFace's arcface_torch, iresnet 18, 34, 50, 100 or 200",
        "code: MIT (InsightFace); weights: non-commercial research only",
        {
            "iresnet": Part(
                iresnet.from_state_dict,
                lambda values: (
                    IResNet(**values),
                    [_floats(1, values["image_size"], values["image_size"], 3)],
                ),
                public_fields(IResNet),
            )
        },
        configure=_configure_iresnet,
        golden={"arcface_iresnet50": iresnet.check, "arcface_iresnet100": iresnet.check},
    ),
    "first_order": Kind(
        "vox-cpk.pth.tar of the first-order motion model: key-point detector and generator",
        "code: MIT, in old versions CC BY-NC 4.0 (first-order-model); weights: see the repository",
        {"keypoint_detector": _DETECTOR, "generator": _ANIMATOR},
        read=reader("kp_detector", "generator"),
        golden={"fom_vox_small": first_order.check, "fom_vox_full": first_order.check},
    ),
    "first_order_discriminator": Kind(
        "vox-cpk.pth.tar or vox-adv-cpk.pth.tar of the first-order motion model: discriminator",
        "code: MIT, in old versions CC BY-NC 4.0 (first-order-model); weights: see the repository",
        {
            "discriminator": Part(
                multi_scale_discriminator.from_state_dict,
                _discriminator,
                public_fields(MultiScaleDiscriminator),
            )
        },
        read=reader("discriminator"),
        configure=_configure_discriminator,
        golden={"patchgan_fom_losses": multi_scale_discriminator.check},
    ),
    "pirenderer": Kind(
        "a checkpoint of PIRenderer, or StyleTalk's renderer_checkpoint.pt; its net_G_ema",
        "code and weights: no licence in PIRender's repository, ask its authors; "
        "of StyleTalk's renderer: see its repository",
        {
            "pirenderer": public_part(
                pirenderer.from_state_dict, FaceRenderer, _IMAGES, _floats(1, 27, 73)
            )
        },
        read=reader("net_G_ema"),
        golden={"pirender_small": pirenderer.check, "pirender_full": pirenderer.check},
    ),
    "styletalk": Kind(
        "styletalk_checkpoint.pth of StyleTalk",
        "code: MIT (StyleTalk); weights: see the repository",
        {
            "styletalk": public_part(
                styletalk.from_state_dict, StyleTalk, _integers(1, 1, 11), _floats(1, 64, 64)
            )
        },
        read=reader("model_state_dict"),
        golden={"styletalk_small": styletalk.check, "styletalk_full": styletalk.check},
    ),
    "avct": Kind(
        "generator.ckpt of AVCT: speech to key points, key-point detector and generator",
        "code and weights: no licence in AVCT's repository, ask its authors",
        {
            "audio_to_keypoints": public_part(
                avct.keypoints_from_state_dict,
                AudioToKeypoints,
                _integers(1, 11),
                *(_floats(1, 11, 256, 256), _floats(1, 11, 4, 41), _floats(1, 64, 64, 35)),
                prefix="ph2kp.",
            ),
            "keypoint_detector": _DETECTOR,
            "generator": _ANIMATOR,
        },
        read=reader("ph2kp", "kp_detector", "generator"),
        golden={"avct_audio2kp": avct.check_keypoints},
    ),
    "avct_pose": Kind(
        "audio2pose.ckpt of AVCT: speech to head poses",
        "code and weights: no licence in AVCT's repository, ask its authors",
        {
            "audio_to_pose": public_part(
                avct.pose_from_state_dict, AudioToPose, _floats(1, 256, 256), _floats(1, 2, 4, 41)
            )
        },
        read=reader("generator"),
        golden={"avct_audio2pose": avct.check_pose},
    ),
    "inception": Kind(
        "pt_inception-2015-12-05-6726825d.pth of pytorch-fid",
        "code: Apache 2.0 (pytorch-fid); weights: see the repository, trained on ImageNet",
        {"inception": public_part(inception.from_state_dict, Inception, _floats(1, 299, 299, 3))},
        golden={"inception_fid": inception.check},
    ),
    "resnet50_3dmm": Kind(
        "epoch_20.pth of Deep3DFaceRecon_pytorch; its net_recon",
        "code: MIT (Deep3DFaceRecon_pytorch); weights: see the repository; the face model "
        "that they were trained with has a licence of its own",
        {
            "resnet50_3dmm": public_part(
                resnet50.from_state_dict, FaceReconstructor, _floats(1, 224, 224, 3)
            )
        },
        read=reader("net_recon"),
        golden={"resnet50_3dmm": resnet50.check},
    ),
}
CHECKS = {name: check for kind in KINDS.values() for name, check in kind.golden.items()}


def find(name):
    """The kind of that name.

    Raises:
      UserError: there is none; lists them.
    """
    if name not in KINDS:
        raise UserError(f"--kind: found {name!r}, expected one of {', '.join(KINDS)}")
    return KINDS[name]
