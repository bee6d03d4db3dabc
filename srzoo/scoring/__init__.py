"""One scorer for every model: the same images, the same rules, the same numbers."""

from srzoo.scoring.evaluation import Evaluation, evaluate, evaluate_alone
from srzoo.scoring.explanation import CV2_CUBIC, Cv2Cubic, Explanation, Row, explain
from srzoo.scoring.finished import FinishedImages, scale_of
from srzoo.scoring.plan import OWN_METRICS, OwnMetric
from srzoo.scoring.sources import CanUpscale, Source

__all__ = [
    "CV2_CUBIC",
    "OWN_METRICS",
    "CanUpscale",
    "Cv2Cubic",
    "Evaluation",
    "Explanation",
    "FinishedImages",
    "OwnMetric",
    "Row",
    "Source",
    "evaluate",
    "evaluate_alone",
    "explain",
    "scale_of",
]
