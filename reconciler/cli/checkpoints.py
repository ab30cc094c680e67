"""``--checkpoint``: a signed head of the audit trail, kept away from the database, to hold the trail against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.errors import IntegrityFailed, ReconcilerError
from reconciler.history.verify import Checkpoint
from reconciler.secrets.heads import NotAHead, head_of, is_signed_by, newest_head


def checkpoint_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option, handed over as ``checkpoint``: the path of a file, or None."""
    return click.option(
        "--checkpoint",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also hold the audit trail against this checkpoint, or against the last one of a file of heads.",
    )(command)


def read_checkpoint(path: Path | None, keys: Mapping[str, bytes]) -> Checkpoint | None:
    """Return what the file says; None where no file is named. Where keys are known, one of them has to have signed it.

    Raises ReconcilerError (``checkpoint-not-read``), IntegrityFailed.
    """
    if path is None:
        return None
    try:
        document = newest_head(path.read_bytes())
        head = head_of(document)
    except OSError as error:
        raise ReconcilerError(f"can't read {path}: {error.strerror}", code="checkpoint-not-read") from None
    except NotAHead:
        raise IntegrityFailed(f"{path} is not a checkpoint", code="checkpoint-malformed") from None
    if keys and not is_signed_by(document, keys):
        raise IntegrityFailed(f"the signature of {path} does not match", code="checkpoint-signature")
    return Checkpoint(*head)
