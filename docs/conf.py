"Sphinx settings; every fact about the package comes from settings.ini and pyproject.toml"
import os
from configparser import ConfigParser
from pathlib import Path
from nbdev.config import get_config, nbpath2html

root = Path(__file__).resolve().parent.parent
ini = ConfigParser(delimiters=['='])
ini.read(root/'settings.ini', encoding='utf-8')
ini = ini['DEFAULT']
cfg = get_config(root)

project, author = cfg.title, ini['author']
version = release = ini['version']
copyright = author
extensions = ['myst_nb', 'sphinx_design', 'sphinx_copybutton']
nb_execution_mode = 'off'
nb_merge_streams = True
myst_enable_extensions = ['colon_fence', 'dollarmath', 'attrs_inline', 'attrs_block', 'deflist']
myst_heading_anchors = 3
suppress_warnings = ['myst.header']
html_static_path = ['_static']
# nothing is loaded from a CDN: build_docs.vendor() copies these next to the pages
mathjax_path = 'vendor/tex-svg.js'
widgets = os.environ.get('PLATEGAN_WIDGETS')
nb_ipywidgets_js = {f'vendor/{f}.js': {} for f in ('require-config', 'require', 'embed-amd')} if widgets else {}
html_css_files = ['custom.css']
html_theme = 'sphinx_book_theme'
html_title = cfg.title
html_baseurl = cfg.doc_url
colab = dict(colab_url='https://colab.research.google.com', notebook_interface='jupyterlab')
html_theme_options = dict(repository_url=cfg.git_url, repository_branch=cfg.branch, path_to_docs='nbs', launch_buttons=colab,
    use_repository_button=True, use_issues_button=True, show_toc_level=2,
    navbar_start=[], navbar_center=[], navbar_end=[], navbar_persistent=[])
html_context = dict(default_mode='auto')

nbs = [p.relative_to(cfg.nbs_path) for p in cfg.nbs_path.rglob('*.ipynb') if not p.name.startswith(('_', '.'))]
names = {nbpath2html(p).with_suffix('').as_posix(): p.as_posix() for p in nbs}

def _colab_links(app, pagename, templatename, context, doctree):
    "The theme's Colab/GitHub links, made from page names, get the notebooks' own names (core -> 00_core)"
    src = names.get(pagename)
    if not src: return
    def fix(o):
        if isinstance(o, dict): return {k:fix(v) for k,v in o.items()}
        if isinstance(o, list): return [fix(v) for v in o]
        return o.replace(f'nbs/{pagename}.ipynb', f'nbs/{src}') if isinstance(o, str) else o
    context['header_buttons'] = fix(context.get('header_buttons', []))

def setup(app): app.connect('html-page-context', _colab_links, priority=900)
