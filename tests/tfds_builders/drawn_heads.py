"""Single pictures of procedural heads in a given pose, for tests."""

import numpy as np

from tfds_builders.procedural_heads import identity, render
from tfds_builders.procedural_heads.expression import INDEX, NUM_EXPRESSION


def scene_of(seed, size, **changes):
    """A person without glasses and beard in front of a camera 80 cm away."""
    rng = np.random.default_rng([11, seed])
    person = identity.sample_person(rng)
    person = person._replace(glasses=person.glasses._replace(thickness=0.0))
    person = person._replace(hair=person.hair._replace(beard="none", **changes))
    look = identity.sample_look(person, rng)
    camera = render.Camera(80.0, 0.7 * 80.0 / 22.0, (0.0, 0.0))
    return render.make_scene(person, look, camera, rng, size)


def picture(scene, rotation=(0.0, 0.0, 0.0), **parameters):
    """One `render.Frame`; parameters by their names in the table of `expression`."""
    expression = np.zeros(NUM_EXPRESSION)
    for name, value in parameters.items():
        expression[INDEX[name]] = value
    return render.render(scene, expression, rotation, np.array([0.0, -1.6, -80.0]))
