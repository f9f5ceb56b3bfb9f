# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints: weights by name, ensembles joined from several trainings, and the state of a training for resuming.

Writes are atomic, and errors name the file and the next step. The names of an ensemble's weights include the number of
the member.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from monai.utils import IgniteInfo, min_version, optional_import
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR

from monai_acdr.files import claim_file, file_sha256, release_file, replace_file
from monai_acdr.networks.nets.displacement_ensemble import MEMBERS
from monai_acdr.read_budget import check_bytes

if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = [
    "ENSEMBLE",
    "TrainingCheckpoint",
    "check_new_training",
    "count_members",
    "has_own_weights",
    "join_checkpoints",
    "join_members",
    "load_checkpoint",
    "load_network",
    "network_weights",
    "save_checkpoint",
    "split_members",
    "write_ensemble",
]

FIELD = "displacement_net."
"""Prefix of the displacement network's weights in :class:`monai_acdr.networks.nets.ActiveContourNet`."""

ENSEMBLE = f"{FIELD}{MEMBERS}"
"""Prefix of an ensemble's weights; the number of the member follows."""

SCALER = "scaler"
"""Name, in the state of a training, of the state of its trainer's GradScaler."""

WRITTEN = "best_sha256"
"""Name, in the state of a training, of the SHA-256 of the weights that it last wrote to ``best_path``."""

MOST_MEMBERS = 64
"""Largest number of networks in an ensemble: names cost nothing in a file, but become networks in memory."""


def network_weights(state: Mapping[str, Any]) -> Any:
    """The weights in a checkpoint: averaged (``ema``), otherwise plain (``network``), otherwise all of it."""
    return state.get("ema", state.get("network", state))


def split_members(weights: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """For each member the weights of a network that has it as its only displacement network.

    Args:
        weights: of an ``ActiveContourNet`` by name.

    Returns:
        One dictionary per member; ``[weights]`` for a single network.

    Raises:
        ValueError: when the members are not numbered 0, 1, ..., or are more than :data:`MOST_MEMBERS`.
    """
    common: dict[str, Tensor] = {}
    members: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        if name.startswith(ENSEMBLE):
            number, _, rest = name[len(ENSEMBLE) :].partition(".")
            members.setdefault(number, {})[FIELD + rest] = value
        else:
            common[name] = value
    if len(members) > MOST_MEMBERS:
        raise ValueError(
            f"Expected at most {MOST_MEMBERS} networks in an ensemble, but got {len(members)}: a network is made for "
            "each, so use checkpoints that you trust."
        )
    numbers = [str(index) for index in range(len(members))]
    if set(members) != set(numbers):
        raise ValueError(f"Expected members 0 to {len(members) - 1}, but got {sorted(members)[:10]}.")
    return [common | members[number] for number in numbers] or [common]


def join_members(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Inverse of :func:`split_members`: an ensemble's weights; those outside the fields are the first member's."""
    joined = {name: value for name, value in members[0].items() if not name.startswith(FIELD)}
    for number, weights in enumerate(members):
        for name, value in weights.items():
            if name.startswith(FIELD):
                joined[f"{ENSEMBLE}{number}.{name[len(FIELD) :]}"] = value
    return joined


def save_checkpoint(state: Any, path: str | os.PathLike[str]) -> Path:
    """Write ``state`` (tensors and plain containers) beside ``path`` and move it into place.

    Raises:
        OSError: when it cannot be written, for example to a full disk; an earlier checkpoint at ``path`` is kept.
    """
    path = Path(path)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()  # no copy; a view that an error keeps alive crashes the collector of Python 3.12.1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        kept = "; the earlier checkpoint of that name is kept" if path.is_file() else ""
        raise OSError(
            f"Could not write {len(content)} bytes to checkpoint {path} ({error.strerror or error}){kept}: "
            "free space or choose another folder, then continue with --resume true."
        ) from error
    return path


def load_checkpoint(
    path: str | os.PathLike[str], map_location: str | torch.device = "cpu", mmap: bool = False
) -> dict[str, Any]:
    """Read a checkpoint's dictionary; only tensors and plain containers are unpickled, never code.

    Args:
        path: of the file.
        map_location: device of the tensors.
        mmap: leave the values of tensors in the file until they are used, to read names and shapes only.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is a folder, or a file that is not a checkpoint, is truncated, holds other objects, or needs
            more than both its own size and the budget of memory.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device, pipe or socket"
        raise ValueError(f"Expected a checkpoint file, but {path} is {kind}: give the path of a file.")
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a checkpoint, but {path} does not exist: train first, or give its path with --checkpoint."
        )
    unpacked = _unpacked_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other formats, before the error
            # torch maps archives only; the format before them is read
            mapped = mmap and zipfile.is_zipfile(path)
            state = torch.load(path, map_location=map_location, weights_only=True, mmap=mapped)
    except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError, ... for the same broken file
        # only its first sentence: the next ones advise to load the file without protection
        reason = str(error).splitlines()[0].split(". ")[0] if str(error).strip() else type(error).__name__
        if isinstance(error, KeyError) or reason.isdigit():  # torch's older reader took a byte of text for a code
            reason = "torch.save did not write it"
        raise ValueError(
            f"Expected a checkpoint of tensors in {path}, but it cannot be read ({reason}): copy or train it again."
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"Expected a dictionary in checkpoint {path}, but got {type(state).__name__}.")
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(state))
    if claimed > unpacked:  # tensors that share their memory, or repeat it
        check_bytes(path, claimed)
    return state


def load_network(
    network: nn.Module,
    path: str | os.PathLike[str],
    map_location: str | torch.device = "cpu",
    member: int | None = None,
) -> nn.Module:
    """Load weights into ``network`` from a checkpoint file.

    The file holds a state dictionary, or a training's full state, of which the averaged weights (``ema``) are taken,
    otherwise those of ``network``. The displacement network of an ``ActiveContourNet`` becomes an ensemble of as many
    members as the weights have (:func:`join_checkpoints`), or a single network.

    Args:
        network: changed in place.
        path: the file.
        map_location: device onto which tensors are read first.
        member: load only this member of an ensemble, from 0, into a single network; for a checkpoint of a single
            network, 0 is that network.

    Returns:
        ``network``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a checkpoint, a checkpoint of another architecture or with NaN, or has no such
            member.
    """
    if isinstance(network, DistributedDataParallel):
        load_network(network.module, path, map_location, member)
        return network
    weights = network_weights(load_checkpoint(path, map_location))
    try:
        chosen = weights if member is None else _only(weights, member, path)
        match_members = getattr(network, "match_members", None)
        if match_members is not None:
            match_members(chosen)
        _check_dtypes(network, chosen, path)
        network.load_state_dict(chosen)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Expected weights of this network ({len(network.state_dict())} tensors) in {path}, but it is a checkpoint "
            f"of another architecture: {_differences(network.state_dict(), weights)}. Use the network_def that it was "
            "trained with, or another --checkpoint."
        ) from error
    for name, value in network.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"Expected finite weights in {path}, but {name} has NaN or infinity: the training diverged, or the "
                "file is damaged; take an earlier checkpoint."
            )
    return network


def count_members(path: str | os.PathLike[str]) -> int:
    """Number of networks in a checkpoint file: 1 unless it is an ensemble's, and 1 where there is no such file.

    In a bundle's config it gives ``network_def`` its ``num_members``, so that MONAI's own loaders can load the weights.

    Raises:
        ValueError: when it is not a checkpoint, or its members are not numbered 0, 1, ...
    """
    if not Path(path).is_file():
        return 1
    weights = network_weights(load_checkpoint(path, mmap=True))  # names only: the loader reads the values
    return len(split_members(weights)) if isinstance(weights, dict) else 1


def has_own_weights(
    checkpoint: str | os.PathLike[str], root: str | os.PathLike[str], sha256: str | None = None
) -> bool:
    """Whether weights are a bundle's shipped weights, or a copy of them, whatever the path.

    Values measured with the shipped weights, such as ``border_mm``, do not hold for others.

    Args:
        checkpoint: file of weights.
        root: folder of the bundle, whose own weights are ``models/model.pt``.
        sha256: digest of the file of weights, if it is known.
    """
    own, given = Path(root) / "models" / "model.pt", Path(checkpoint)
    if not own.is_file() or not given.is_file():
        return False
    if own.samefile(given):
        return True
    if own.stat().st_size != given.stat().st_size:  # most others, without reading two files
        return False
    return file_sha256(own) == (sha256 or file_sha256(given))


def _differences(own: dict[str, Any], weights: Any) -> str:
    """Mismatches, each with the name of its first tensor."""
    if not isinstance(weights, dict):
        return f"it has a {type(weights).__name__}"
    shapes = {name: tuple(value.shape) if isinstance(value, Tensor) else None for name, value in weights.items()}
    kinds = {
        "missing": [name for name in own if name not in weights],
        "unknown": [name for name in weights if name not in own],
        "of another shape": [name for name in own if name in weights and shapes[name] != tuple(own[name].shape)],
    }
    texts = [
        f"{len(names)} tensors are {kind}, such as {str(names[0])[:60]!r}" for kind, names in kinds.items() if names
    ]
    if kinds["of another shape"]:
        name = kinds["of another shape"][0]
        texts[-1] += f", {shapes[name] or type(weights[name]).__name__} instead of {tuple(own[name].shape)}"
    return "; ".join(texts) or "a tensor cannot be copied"


def _check_dtypes(network: nn.Module, weights: Any, path: str | os.PathLike[str]) -> None:
    """Raise a ValueError where torch would round: copying integers, booleans or complex numbers into weights."""
    own = network.state_dict()
    for name, value in weights.items():
        if name in own and isinstance(value, Tensor) and value.is_floating_point() != own[name].is_floating_point():
            raise ValueError(
                f"Expected {name} in {path} to be {own[name].dtype}, but it is {value.dtype}: not a checkpoint of "
                "this network."
            )


def _unpacked_bytes(path: Path) -> int:
    """Bytes of a checkpoint once it is unpacked; torch stores tensors uncompressed, so usually the size of the file.

    Raises:
        ValueError: when its parts unpack to more than the file's size, and to more than the budget of memory.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except Exception:  # torch's older format, or damaged in any way: torch reports it
        return size
    if unpacked > size:
        check_bytes(path, unpacked)
    return max(size, unpacked)


def _tensors(state: Any) -> Iterator[Tensor]:
    """All tensors in nested containers, each once."""
    stack, seen = [state], set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            stack.extend(item)


def _only(weights: Any, member: int, path: str | os.PathLike[str]) -> dict[str, Any]:
    members = split_members(weights)
    if not 0 <= member < len(members):
        raise ValueError(f"Expected `member` to be from 0 to {len(members) - 1} for {path}, but got {member}.")
    return members[member]


Weights = dict[str, Tensor]

_logger = logging.getLogger(__name__)


def join_checkpoints(paths: Sequence[str | os.PathLike[str]]) -> Weights:
    """Join networks that were trained alike, from different seeds or on different folds, into an ensemble's weights.

    Args:
        paths: checkpoints as :func:`~monai_acdr.handlers.load_network` takes them, of at least two networks together;
            the checkpoint of an ensemble gives all its members.

    Returns:
        Weights by name, for :func:`~monai_acdr.handlers.load_network` once they are saved: an ``ActiveContourNet``
        whose displacement network is one of the members becomes their ensemble.

    Raises:
        FileNotFoundError: when a file does not exist.
        ValueError: when a file is not a checkpoint of an ``ActiveContourNet``, when architectures or initial contours
            differ, when two networks are the same, or when there is only one.
    """
    if isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Sequence) or not paths:
        raise ValueError(
            f"Expected `paths` to be a list of checkpoints, but got {paths!r}: give --members \"['a.pt','b.pt']\"."
        )
    members: list[tuple[Path, Weights]] = []
    for path in map(Path, paths):
        for weights in _read_members(path):
            for earlier, others in members:
                _check_alike(weights, path, others, earlier)
            members.append((path, weights))
    if len(members) < 2:
        raise ValueError(f"Expected at least two networks, but got only that of {members[0][0]}: add others.")
    return join_members([weights for _, weights in members])


def write_ensemble(members: Sequence[str | os.PathLike[str]], checkpoint: str | os.PathLike[str]) -> Path:
    """Join checkpoints as :func:`join_checkpoints` does, write the result, and log what was written.

    Args:
        members: checkpoints of separate trainings.
        checkpoint: file to write.

    Returns:
        Its path.

    Raises:
        FileExistsError: when ``checkpoint`` exists.
        FileNotFoundError, ValueError: as :func:`join_checkpoints`.
        OSError: when it cannot be written.
    """
    path = Path(checkpoint)
    if path.exists():
        raise FileExistsError(f"Expected a new file, but {path} exists: choose another --checkpoint, or move it away.")
    weights = join_checkpoints(members)
    save_checkpoint(weights, path)
    content = path.read_bytes()
    number, digest = len(split_members(weights)), hashlib.sha256(content).hexdigest()
    _logger.info("Wrote an ensemble of %d members: %s, %d bytes, SHA-256 %s", number, path, len(content), digest)
    return path


def _read_members(path: Path) -> list[Weights]:
    weights = network_weights(load_checkpoint(path))
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"Expected weights by name in checkpoint {path}, but it holds others: give the model.pt.")
    if not any(str(name).startswith(FIELD) for name in weights):
        raise ValueError(
            f"Expected weights of an ActiveContourNet in checkpoint {path}, but no name starts with {FIELD!r}."
        )
    try:
        return split_members(weights)
    except ValueError as error:
        raise ValueError(f"{error} In checkpoint {path}.") from None


def _check_alike(weights: Weights, path: Path, others: Weights, earlier: Path) -> None:
    """Raise a ValueError unless two networks are of one architecture, start alike, and have different fields."""
    names = sorted(set(weights) & set(others))
    shapes = [name for name in names if _form(weights[name]) != _form(others[name])]
    more, less = len(set(weights) - set(others)), len(set(others) - set(weights))
    if shapes or more or less:
        example = (
            f", such as {shapes[0]}: {list(weights[shapes[0]].shape)} and {list(others[shapes[0]].shape)}"
            if shapes
            else ""
        )
        raise ValueError(
            f"Expected checkpoints of one architecture, but {path} has {more} tensors that {earlier} has not, lacks "
            f"{less}, and {len(shapes)} differ in shape or dtype{example}. Join networks that were trained with the "
            "same network_def."
        )
    different = [name for name in names if not torch.equal(weights[name], others[name])]
    if not any(name.startswith(FIELD) for name in different):
        raise ValueError(
            f"Expected different networks, but those of {path} and {earlier} are the same: train from other seeds "
            "(--seed), and name each file once."
        )
    common = [name for name in different if not name.startswith(FIELD)]
    if common:
        raise ValueError(
            f"Expected networks that differ in their displacement network only, but {common[0]} differs between {path} "
            f"and {earlier}: use the same initial contour."
        )


def _form(tensor: Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype


Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
idist, _ = optional_import("ignite", IgniteInfo.OPT_IMPORT_VERSION, min_version, "distributed")


def check_new_training(
    path: str | os.PathLike[str], best_path: str | os.PathLike[str] | None = None, resume: bool = False
) -> None:
    """Refuse a training that would write over another one, has nothing to resume, or cannot write its files.

    :class:`TrainingCheckpoint` does so when the training starts, and the bundles by this before they read any data.

    Args:
        path: file of the full state.
        best_path: file of the best network's weights; None keeps none.
        resume: continue from ``path``.

    Raises:
        FileExistsError: when ``path`` or ``best_path`` exists and ``resume`` is False, or another process trains into
            one of them.
        FileNotFoundError: when ``path`` does not exist and ``resume`` is True.
        OSError: when their folder cannot be made or written.
    """
    state = Path(path)
    _check_files(state, best_path, resume)
    if idist.get_rank() == 0:
        for file in (state, best_path):
            if file is not None and claim_file(file):
                release_file(file)  # until the training starts, which may be never


def _check_files(state: Path, best_path: str | os.PathLike[str] | None, resume: bool) -> None:
    if resume:
        if not state.is_file():
            raise FileNotFoundError(
                f"Expected a training to resume, but {state} does not exist: leave out --resume to start one, or give "
                "the --output_dir of the training."
            )
        return
    if state.exists():
        raise FileExistsError(
            f"Expected no training in {state.parent}, but {state.name} is there: add --resume true to continue it, or "
            "choose another --output_dir."
        )
    if best_path is not None and Path(best_path).exists():
        raise FileExistsError(
            f"Expected a new file for the weights of this training, but {best_path} exists: choose another "
            "--checkpoint, such as model.pt in your --output_dir, or move the file away."
        )


class TrainingCheckpoint:
    """Save and resume a training: attach to a trainer, after its validation handler.

    Together with :class:`EpochSeed` a training that was killed and resumed ends where an undisturbed one does: all
    objects of ``save_dict``, the trainer's own state and the best metric so far are saved and restored.

    Of several processes the first one writes, and all of them read. The number of processes and the batch size may
    change on resuming: the training continues with the next epoch, and a learning rate that follows the number of
    steps (``LambdaLR``, as MONAI's ``WarmupCosineSchedule``) continues at the same fraction of its schedule. Save the
    network itself, not the ``DistributedDataParallel`` around it.

    Args:
        path: file of the full state, written after each epoch.
        save_dict: named objects with ``state_dict`` and ``load_state_dict``: network, optimizer, scheduler, ...
        best_path: file of the best network's weights, which must not exist when a training starts; None keeps none.
        best_network: network whose weights are written to ``best_path``, the averaged one for example.
        evaluator: engine that validates; its ``key_metric`` after each validation decides. Without one, the weights of
            the last epoch are written when the training ends.
        key_metric: name of the deciding metric, greater is better.
        resume: continue from ``path``; otherwise ``path`` must not exist, so that no training overwrites another.
            Weights at ``best_path`` that are not known to be of this training are kept as ``<name>.previous``.

    Raises:
        FileExistsError: at the start, when ``path`` or ``best_path`` exists and ``resume`` is False, when another
            process trains into one of them, or when there is a ``<name>.previous`` where one has to be made.
        FileNotFoundError: at the start, when ``resume`` is True and ``path`` does not exist.
        OSError: when a checkpoint cannot be written; the previous one is kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        save_dict: Mapping[str, Any],
        best_path: str | os.PathLike[str] | None = None,
        best_network: torch.nn.Module | None = None,
        evaluator: Engine | None = None,
        key_metric: str = "val_mean_dice",
        resume: bool = False,
    ) -> None:
        used = ("trainer", "best", SCALER, WRITTEN)
        if set(used) & set(save_dict):
            raise ValueError(f"Expected `save_dict` without the names {', '.join(used)}: they are used here.")
        if (best_path is None) != (best_network is None) or (best_path is None and evaluator is not None):
            raise ValueError(
                "Expected `best_path` and `best_network` together or none of them, and `evaluator` only with them."
            )
        self.path = Path(path)
        self.save_dict = dict(save_dict)
        self.best_path = None if best_path is None else Path(best_path)
        self.best_network = best_network
        self.evaluator = evaluator
        self.key_metric = key_metric
        self.resume = resume
        self._claimed: list[Path] = []
        self._written = ""
        self.best: dict[str, float] = {"metric": float("-inf"), "epoch": 0}
        self.logger = logging.getLogger(__name__)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.give_up)

    def start(self, engine: Engine) -> None:
        """Restore the training, or make sure that a new one overwrites nothing; claim both files for this process."""
        with self._released_after_an_error():
            self._start(engine)

    def _start(self, engine: Engine) -> None:
        if idist.get_rank() == 0 and not (self.resume and not self.path.is_file()):
            for path in (self.path, self.best_path):
                if path is not None and claim_file(path):
                    self._claimed.append(path)
        _check_files(self.path, self.best_path, self.resume)
        if self.resume:
            self._restore(engine)

    def _keep_others(self) -> None:
        """Keep weights that are not known to be of the resumed training, as those of a bundle without --checkpoint."""
        if self.best_path is None or self.best_network is None or not self.best_path.is_file():
            return
        if file_sha256(self.best_path) == self._written or _holds(self.best_path, self.best_network.state_dict()):
            return
        previous = self.best_path.with_name(self.best_path.name + ".previous")
        if previous.exists():
            raise FileExistsError(
                f"Expected {self.best_path} to have the weights of this training, but it has others, and "
                f"{previous.name} exists: give the --checkpoint that the training was started with, or move both away."
            )
        with replace_file(previous) as temporary:
            shutil.copyfile(self.best_path, temporary)
        self.logger.warning(
            "%s is not known to be of this training, and is replaced when validation improves or the training ends; it "
            "is kept as %s",
            self.best_path,
            previous.name,
        )

    def finish(self, engine: Engine | None = None) -> None:
        """Release the training's files; without any validation, keep the last network as the best."""
        if engine is not None and self.best["epoch"] == 0 and engine.state.epoch > 0 and idist.get_rank() == 0:
            with self._released_after_an_error():
                self._keep_last(engine)
        while self._claimed:
            release_file(self._claimed.pop())

    def _keep_last(self, engine: Engine) -> None:
        if self.best_path is None or self.best_network is None:
            return
        save_checkpoint(self.best_network.state_dict(), self.best_path)
        if self.evaluator is None:
            return
        self.logger.warning(
            "No validation of this training gave a number for %s: %s has the weights of the last epoch, %d. Check the "
            "references of the validation data.",
            self.key_metric,
            self.best_path,
            engine.state.epoch,
        )

    def give_up(self, _engine: Engine, error: BaseException) -> None:
        """Release the training's files after any error, and pass the error on."""
        self.finish()
        raise error

    @contextmanager
    def _released_after_an_error(self) -> Iterator[None]:
        """For errors of this handler: MONAI's StatsHandler, which comes first, raises before `give_up` is called."""
        try:
            yield
        except BaseException:
            self.finish()
            raise

    def __call__(self, engine: Engine) -> None:
        """Save after an epoch: the best network first, so that the full state never promises a missing file."""
        with self._released_after_an_error():
            self._save(engine)

    def _save(self, engine: Engine) -> None:
        improved = self._improved(engine)
        if idist.get_rank() != 0:
            return
        if improved and self.best_path is not None and self.best_network is not None:
            self._written = file_sha256(save_checkpoint(self.best_network.state_dict(), self.best_path))
        state: dict[str, Any] = {name: item.state_dict() for name, item in self.save_dict.items()}
        state["trainer"] = dict(engine.state_dict())
        state["best"] = dict(self.best)
        if self._written:
            state[WRITTEN] = self._written
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:  # MONAI's trainer has one with `amp`, and makes it when it starts
            state[SCALER] = scaler.state_dict()
        save_checkpoint(state, self.path)

    def _improved(self, engine: Engine) -> bool:
        if self.evaluator is None or self.evaluator.state.epoch != engine.state.epoch:
            return False  # no validation in this epoch
        metric = float(self.evaluator.state.metrics[self.key_metric])
        if not metric > self.best["metric"]:
            return False
        self.best = {"metric": metric, "epoch": int(engine.state.epoch)}
        return True

    def _restore(self, engine: Engine) -> None:
        state = load_checkpoint(self.path)
        expected = {*self.save_dict, "trainer", "best"}
        if set(state) - {SCALER, WRITTEN} != expected:
            raise ValueError(
                f"Expected {sorted(expected)} in {self.path}, but got {sorted(map(str, state))}: resume needs the "
                "last.pt of a training with the same configuration."
            )
        best = state["best"]
        if not isinstance(best, dict) or not all(isinstance(best.get(key), (int, float)) for key in self.best):
            raise ValueError(
                f"Expected the best metric and its epoch in {self.path}, but its 'best' has no such numbers: resume "
                "needs the last.pt of a training."
            )
        max_epochs, epoch_length = engine.state.max_epochs, engine.state.epoch_length
        schedules = {name: item.state_dict() for name, item in self.save_dict.items() if isinstance(item, LambdaLR)}
        parts: dict[str, Any] = {**self.save_dict, "trainer": engine}
        scaler = getattr(engine, "scaler", None)
        if scaler is not None and state.get(SCALER):  # without a saved state, as with `amp` off, it starts afresh
            parts[SCALER] = scaler
        for name, item in parts.items():
            try:
                item.load_state_dict(state[name])
            except Exception as error:  # optimizers, schedulers and scalers raise errors of any kind
                raise _misfit(name, self.path, error) from error
        if epoch_length is not None and epoch_length != engine.state.epoch_length:
            self._resume_with_other_steps(engine, epoch_length, schedules)
        if max_epochs is not None:
            engine.state.max_epochs = max_epochs  # a resumed training may be longer or shorter
        self.best = {key: best[key] for key in self.best}
        self._written = str(state.get(WRITTEN, ""))
        if idist.get_rank() == 0:
            self._keep_others()
        if self.evaluator is not None:
            setattr(self.evaluator.state, "best_metric", self.best["metric"])  # noqa: B010 - MONAI's, unknown to ignite
            setattr(self.evaluator.state, "best_metric_epoch", self.best["epoch"])  # noqa: B010
        self.logger.info("Resumed from %s after epoch %d", self.path, engine.state.epoch)

    def _resume_with_other_steps(self, engine: Engine, epoch_length: int, schedules: Mapping[str, Any]) -> None:
        """Recount the steps of the complete epochs, for another number of processes or another batch size."""
        before = engine.state.iteration
        self.logger.info("An epoch has %d steps now, and had %d", epoch_length, engine.state.epoch_length)
        engine.state.epoch_length, engine.state.iteration = epoch_length, engine.state.epoch * epoch_length
        for name, own in schedules.items():
            schedule = self.save_dict[name]
            if schedule.last_epoch != before:
                continue  # it counts something else, such as epochs
            now = engine.state.iteration
            counts = {"last_epoch": now, "_step_count": now + 1}
            schedule.load_state_dict({**own, **counts, "base_lrs": schedule.base_lrs})  # the length of the new schedule
            rates = [base * factor(now) for base, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)]
            schedule.load_state_dict({**schedule.state_dict(), "_last_lr": rates})
            for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate


def _holds(path: Path, weights: Mapping[str, Any]) -> bool:
    """Whether a file has these weights."""
    try:
        found = load_checkpoint(path)
    except ValueError:
        return False
    return found.keys() == weights.keys() and all(
        isinstance(found[name], Tensor) and torch.equal(found[name], value.cpu()) for name, value in weights.items()
    )


def _misfit(name: str, path: Path, error: Exception) -> ValueError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ValueError(
        f"Expected {name!r} in {path} to fit this configuration, but it does not ({reason}): resume with the "
        "configuration that it was trained with."
    )
