# Twice as long: 24 epochs, which is what ADE20K's trainings have as well.
_base_ = './head_rule_1x.py'

train_cfg = dict(max_epochs=24)
