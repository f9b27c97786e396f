"""An engine that remembers what another one answered: for running the same frames again and again.

Where a tracker's settings change and nothing else, its crops are often the same as before, to the
pixel: on the first frames always, later as long as the two runs cut the same whole pixels. Crops
are compared by the digest of their pixels and template features by the crops that they were made
of, so an answer from memory is the answer that the engine gave, bit for bit.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rgbt_track.models.engines.interface import BranchResponse, Engine, InputCrops, Template

T = TypeVar("T")
_Key = tuple[Any, ...]
_OVERHEAD = 500  # bytes of an entry beside its arrays


class MemoFeatures(NamedTuple):
    """One branch's template features, and the digest of what they were made of."""

    digest: bytes
    features: Any


class MemoEngine:
    """Answers repeated calls from memory.

    Args:
        engine: asked whatever is not in memory.
        max_bytes: memory for responses and template features; the answers that were not asked for
            the longest time are forgotten. Template features count as much as the crops that they
            were made of, as only the engine knows their form.

    Attributes:
        calls, hits: searches so far, and those answered from memory.
    """

    def __init__(self, engine: Engine, max_bytes: int) -> None:
        self.engine = engine
        self.max_bytes = max_bytes
        self.calls = self.hits = 0
        self._answers: OrderedDict[_Key, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def template(self, crops: InputCrops, target: NDArray[np.float32] | None = None) -> Template:
        digests = _crop_digests(crops)
        if target is not None:
            digests.append(("target", target.tobytes()))
        key = ("template", *digests)
        known = self._recall(key)
        if known is None:
            known = self.engine.template(crops, target)
            self._remember(key, known, sum(crop.nbytes for crop in crops.values()))
        digest = _digest(*digests)
        return {name: MemoFeatures(digest, features) for name, features in known.items()}

    def blend(self, first: Template, present: Template, rate: float) -> Template:
        blended = self.engine.blend(_features(first), _features(present), rate)
        return {
            name: MemoFeatures(_blend_digest(first[name], present.get(name), rate), features)
            for name, features in blended.items()
        }

    def search(self, template: Template, crops: InputCrops) -> dict[str, BranchResponse]:
        branches = ((name, template[name].digest) for name in sorted(template))
        key = ("search", *branches, *_crop_digests(crops))
        self.calls += 1
        known = self._recall(key)
        if known is not None:
            self.hits += 1
            return dict(known)
        responses = self.engine.search(_features(template), crops)
        for response in responses.values():
            for part in response:
                part.setflags(write=False)  # whoever changed one would change the next answer
        size = sum(part.nbytes for response in responses.values() for part in response)
        self._remember(key, responses, size)
        return dict(responses)

    def _recall(self, key: _Key) -> Any:
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key][0]

    def _remember(self, key: _Key, answer: Any, size: int) -> None:
        size += _OVERHEAD
        if size > self.max_bytes:
            return
        self._answers[key] = (answer, size)
        self._bytes += size
        while self._bytes > self.max_bytes:
            self._bytes -= self._answers.popitem(last=False)[1][1]


def _features(template: Template) -> Template:
    return {name: branch.features for name, branch in template.items()}


def _blend_digest(first: MemoFeatures, present: MemoFeatures | None, rate: float) -> bytes:
    if present is None:  # what the present lacks stays as it is
        return first.digest
    return _digest(first.digest, present.digest, repr(rate).encode())


def _crop_digests(crops: InputCrops) -> list[tuple[str, bytes]]:
    return [
        (name, _digest(repr((crop.shape, crop.dtype.str)).encode(), crop.tobytes()))
        for name, crop in sorted(crops.items())
    ]


def _digest(*parts: bytes | tuple[str, bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        name, content = part if isinstance(part, tuple) else ("", part)
        digest.update(name.encode() + len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()
