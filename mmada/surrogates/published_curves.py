"""Control points that the authors of Auto Seg-Loss found on PASCAL VOC.

Data only. Each set says where it is from and what is known to be wrong with
it. Points are listed as ``x1, y1, x2, y2, ...``, curve after curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_RELEASE = (
    'Auto Seg-Loss (ICLR 2021), official release, '
    'ASL_configs/retrain/{}_bezier_10k.py'
)
_REWARD = (
    'Searched with a reward from VOC val, on which the authors also report.'
)


@dataclass(frozen=True)
class NamedPoints:
    """A named set of control points.

    Args:
        metric: Metric that they were searched for.
        points: The points, flat.
        source: Where they are from.
        defects: What a user should know of them.
    """

    metric: str
    points: tuple[float, ...]
    source: str
    defects: tuple[str, ...] = (_REWARD,)


_ACCURACY = (
    *(2.1453928e-02, 7.3905742e-01, 4.1163361e-01),
    *(7.9865617e-01, 9.1986191e-01, 9.5041156e-01),
)

NAMED_POINTS: Mapping[str, NamedPoints] = MappingProxyType(
    {
        'voc_miou': NamedPoints(
            'mIoU',
            (
                *(5.69728440e-04, 6.43720450e-01, 3.38589169e-01),
                *(7.05543360e-01, 6.25281252e-01, 7.79551927e-01),
                *(6.90375570e-01, 1.30628900e-02, 8.34170515e-01),
                *(9.62431815e-01, 9.42998269e-01, 9.80038125e-01),
            ),
            _RELEASE.format('miou'),
        ),
        'voc_fwiou': NamedPoints(
            'FWIoU',
            (
                *(0.11907931, 0.669945, 0.19315827),
                *(0.71179134, 0.46337387, 0.79494196),
                *(0.5266451, 0.29869753, 0.706645),
                *(0.4485701, 0.86858255, 0.7261703),
            ),
            'Auto Seg-Loss (ICLR 2021), official training log of FWIoU',
            (
                _REWARD,
                'The released config for FWIoU holds the points of BIoU; '
                'these are from the log of the published result.',
            ),
        ),
        'voc_biou': NamedPoints(
            'BIoU',
            (
                *(3.65390355e-04, 9.84171689e-01, 9.69491959e-01),
                *(9.92340326e-01, 9.88328516e-01, 9.95552719e-01),
                *(3.54609758e-01, 2.67221928e-01, 5.60551465e-01),
                *(4.35290039e-01, 5.65432191e-01, 6.01448298e-01),
            ),
            _RELEASE.format('biou'),
            (
                _REWARD,
                'Used alone it neglects the inside of regions: 48.97 mIoU '
                'on VOC. Add a loss for mIoU.',
            ),
        ),
        'voc_macc': NamedPoints('mAcc', _ACCURACY, _RELEASE.format('macc')),
        'voc_gacc': NamedPoints(
            'gAcc',
            _ACCURACY,
            _RELEASE.format('gacc'),
            (
                _REWARD,
                'The released config for gAcc holds the points of mAcc. In '
                'its log the first number of the decode head is 0.221453928, '
                'that of the auxiliary head 0.021453928.',
            ),
        ),
        'voc_bf1': NamedPoints(
            'BF1',
            (
                *(0.8113003373146057, 0.8526162505149841),
                *(0.17164576053619385, 0.03164796531200409),
                *(0.20997394621372223, 0.44903290271759033),
                *(0.07847517728805542, 0.8753038048744202),
            ),
            _RELEASE.format('bf1'),
            (
                _REWARD,
                'Used alone it neglects the inside of regions: 1.93 mIoU on '
                'VOC. Add a loss for mIoU.',
            ),
        ),
    }
)
