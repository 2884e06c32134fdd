"""Ada-Segment: a policy that maps losses to weights, learned by REINFORCE."""

from mmada.controllers.ada_segment.controller import AdaSegment
from mmada.controllers.ada_segment.presets import PRESETS, preset_options

__all__ = ['PRESETS', 'AdaSegment', 'preset_options']
