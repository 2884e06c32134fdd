"""SlopeSearch: a response-surface design of whole trainings, and a step."""

from mmada.controllers.slope_search.controller import SlopeSearch

__all__ = ['SlopeSearch']
