"Reads every package fact from settings.ini; name, python version and links are in pyproject.toml."
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages

here = Path(__file__).parent
cfg = ConfigParser(delimiters=['='])
cfg.read(here/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
statuses = ['1 - Planning', '2 - Pre-Alpha', '3 - Alpha', '4 - Beta', '5 - Production/Stable', '6 - Mature', '7 - Inactive']
classifiers = [f"Development Status :: {statuses[cfg.getint('status')-1]}", 'Programming Language :: Python :: 3',
    'Topic :: Scientific/Engineering :: Image Processing', 'Framework :: Jupyter']
dev, docs, cluster, fast, onnx = (cfg[f'{o}_requirements'].split() for o in ('dev', 'docs', 'cluster', 'fast', 'onnx'))

setup( # chkstyle: ignore-node
    version=cfg['version'],
    description=cfg['description'],
    long_description=(here/'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license_expression=cfg['license'],
    author=cfg['author'], author_email=cfg['author_email'],
    keywords=cfg['keywords'].split(),
    classifiers=classifiers,
    packages=find_packages(include=['plategan', 'plategan.*']),
    include_package_data=False,
    package_data=dict(plategan=['fonts/*', 'weights/*', 'plates/countries/*']),
    install_requires=cfg['requirements'].split(),
    extras_require=dict(dev=dev+docs+cluster+fast+onnx, docs=docs, cluster=cluster, fast=fast, onnx=onnx),
    entry_points=dict(console_scripts=cfg['console_scripts'].split(), nbdev=['plategan=plategan._modidx:d']),
)
