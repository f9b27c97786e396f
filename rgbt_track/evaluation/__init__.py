"""One-pass evaluation: exact metrics by named rules, running trackers, reports.

``read_boxes`` reads a box file of any format in the wild, ``score_results`` scores arrays. The
rules are in ``rules``, their explanation in ``docs/evaluation.md``.
"""

from rgbt_track.evaluation.result_files import read_boxes
from rgbt_track.evaluation.scoring import score_results

__all__ = ["read_boxes", "score_results"]
