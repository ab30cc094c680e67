"""``--checkpoint``: a signed head of the audit trail, kept away from the database, to hold the trail against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.errors import IntegrityFailed, ReconcilerError
from reconciler.history.verify import Checkpoint
from reconciler.secrets.heads import NotAHead, head_of, heads_in, is_signed_by


def checkpoint_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option, handed over as ``checkpoint``: the path of a file, or None."""
    return click.option(
        "--checkpoint",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also hold the audit trail against this checkpoint, or against every one of a file of heads.",
    )(command)


def read_checkpoint(path: Path | None, keys: Mapping[str, bytes], environment: str | None) -> Checkpoint | None:
    """Return what the file says; None where no file is named. Where keys are known, one of them has to have signed each head.

    Heads of another ``environment`` are left out: its database has a trail of its own.

    Raises ReconcilerError (``checkpoint-not-read``), IntegrityFailed.
    """
    if path is None:
        return None
    try:
        every = heads_in(path.read_bytes())
        # a head of before it named its environment may be of any; the last one is this one's, as far as anybody knows
        documents = [one for one in every if one.get("environment") == environment] or every[-1:]
        heads = sorted(map(head_of, documents))
    except OSError as error:
        raise ReconcilerError(f"can't read {path}: {error.strerror}", code="checkpoint-not-read") from None
    except NotAHead:
        raise IntegrityFailed(f"{path} is not a checkpoint", code="checkpoint-malformed") from None
    if keys and not all(is_signed_by(one, keys) for one in documents):
        raise IntegrityFailed(f"the signature of {path} does not match", code="checkpoint-signature")
    return Checkpoint(*heads[-1], tuple(heads[:-1]))
