"""Placeholder until STORE's file replaces it."""


def format_progress(*args):
    return ' | '.join(map(str, args))


def format_round(*args, **kwargs):
    return '\n'.join(map(str, args))
