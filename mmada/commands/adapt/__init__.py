"""`mmada adapt`: a config that adds learned loss weights to a stock one.

- `stock.py`: what is found in the stock config.
- `model_losses.py`: which losses its model has.
- `objectives.py`: which of them share a weight.
- `methods.py`: what each method adds, as a table.
- `rewards.py`: what a search maximises.
- `search.py`: the data and the loop of a search.
- `panoptic.py`: what needs no panopticapi in place of what does.
- `source.py`: values as formatted source.
- `written_config.py`: what is common to all configs that are written.
- `weighted_config.py`: a config whose losses are weighted.
- `replaced_loss.py`: a config of a segmentor with another loss.
- `adapt.py`: the command.
"""
