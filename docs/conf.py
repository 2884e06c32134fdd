"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import mmada

project = 'mmada'
author = 'the authors of mmada'
release = version = mmada.__version__
extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.mathjax',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx-mathjax-offline',
    'sphinx_copybutton',
]
source_suffix = {'.md': 'markdown'}
exclude_patterns = ['_build', 'results']
html_theme = 'furo'
html_title = f'mmada {version}'
html_logo = html_favicon = 'images/logo.svg'
html_show_copyright = False
pygments_style = 'default'  # has colours for a diff
myst_heading_anchors = 3
myst_enable_extensions = ['dollarmath']

# What is exported, in the order of `__all__`, by the package that exports it.
autodoc_default_options = dict(members=True, show_inheritance=True)
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
napoleon_numpy_docstring = False
napoleon_use_ivar = True
