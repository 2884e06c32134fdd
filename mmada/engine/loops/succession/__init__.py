"""What a round takes over from the rounds before."""

from mmada.controllers import Start
from mmada.engine.exploration.start_states import Origin, Succession

from .from_best import FromBest
from .from_initial import FromInitial
from .from_own import FromOwn

SUCCESSIONS: dict[Start, Succession] = {
    Start.BEST: FromBest(),
    Start.INITIAL: FromInitial(),
    Start.OWN: FromOwn(),
}

__all__ = [
    'SUCCESSIONS',
    'FromBest',
    'FromInitial',
    'FromOwn',
    'Origin',
    'Succession',
]
