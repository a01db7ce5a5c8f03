"""What a Python worker of its own loads before its first bundle: Beam is given `ARGUMENT`.

It knows Java's coders then, which it may be handed before any other code of ours, and bundles end
as soon as their work is done.
"""

from transforms import java_coder  # noqa: F401 - registers its coder
from transforms.state_sampling import sample_often

ARGUMENT = f"--beam_plugins={__name__}"

sample_often()
