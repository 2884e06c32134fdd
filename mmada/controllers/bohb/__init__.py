"""BOHB: TPE proposes, Hyperband stops what does badly."""

from mmada.controllers.bohb.controller import BohbSearch

__all__ = ['BohbSearch']
