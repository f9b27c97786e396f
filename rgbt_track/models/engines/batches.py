"""Several targets searched in one call, where an engine can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rgbt_track.models.engines.interface import BranchResponse, Engine, InputCrops, Template

Responses = dict[str, BranchResponse]


@runtime_checkable
class BatchEngine(Protocol):
    """An ``Engine`` that searches targets that are alike in one batch."""

    def search_batch(
        self, templates: Sequence[Template], crops: Sequence[InputCrops]
    ) -> list[Responses]:
        """``Engine.search`` of every template in its crops, to rounding.

        All templates have the same branches, all crops the same modalities and size.
        """
        ...


def search_many(
    engine: Engine, templates: Sequence[Template], crops: Sequence[InputCrops]
) -> list[Responses]:
    """The responses of every target; those that are alike go in one batch where ``engine`` can.

    Args:
        engine: a ``BatchEngine``, or one that is asked target by target.
        templates: one per target.
        crops: one per target, as for ``Engine.search``.
    """
    if len(templates) == 1 or not isinstance(engine, BatchEngine):
        return [engine.search(*target) for target in zip(templates, crops, strict=True)]
    groups: dict[object, list[int]] = {}
    for index, (template, images) in enumerate(zip(templates, crops, strict=True)):
        shapes = tuple((name, crop.shape) for name, crop in sorted(images.items()))
        groups.setdefault((tuple(template), shapes), []).append(index)
    responses: list[Responses] = [{} for _ in templates]
    for indices in groups.values():
        if len(indices) == 1:
            found = [engine.search(templates[indices[0]], crops[indices[0]])]
        else:
            found = engine.search_batch(
                [templates[index] for index in indices], [crops[index] for index in indices]
            )
        for index, response in zip(indices, found, strict=True):
            responses[index] = response
    return responses
