"""`mmada adapt`: a config that adds learned loss weights to a stock one.

- `stock.py`: what is found in the stock config.
- `model_losses.py`: which losses its model has.
- `objectives.py`: which of them share a weight.
- `methods.py`: what each method adds, as a table.
- `rewards.py`: what a search maximises.
- `search.py`: the data and the loop of a search.
- `panoptic.py`: what needs no panopticapi in place of what does.
- `source.py`: values as formatted source.
- `adapt.py`: the command.
"""
