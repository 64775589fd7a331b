#!/usr/bin/env python3
"""Cut the plate faces out of free fonts: `tools/fonts.py [--sources DIR] [FACE ...]` writes plategan/fonts/, the same bytes at every run.

Sources not yet in DIR are fetched by their ordinary clients (`apt-get download`, `npm pack`); fonttools is needed.
Each subset gets a name of its own, since the Open Font License keeps some names for the originals."""
import argparse, subprocess, tarfile
from itertools import takewhile
from pathlib import Path
from fontTools import subset
from fontTools.ttLib import TTFont

HAN = '京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新警学挂港澳使领'
HANGUL = '가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자배하허호육서울부산대구인천광주대전울산세종경기강원'
HANGUL += '충북충남전북전남경북경남제주외교영사준국협정표'
LATIN = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ.·-'
WORDS = LATIN + 'abcdefghijklmnopqrstuvwxyz \'/,:&ÁÉÍÓÚÃÕÇ'
OUT = Path(__file__).resolve().parent.parent/'plategan'/'fonts'
DEB = 'fonts-noto-cjk', 'fonts-noto-cjk-extra', 'fonts-roboto-unhinted', 'fonts-opendin', 'fonts-national-park', 'fonts-liberation2'
NPM = '@fontsource/barlow-condensed', '@fontsource/saira-condensed', '@fontsource/do-hyeon', '@fontsource/overpass'
NPMS = '{0}/package/files/{0}-latin-{1}-normal.woff'
NOTO = 'fonts-noto-cjk/usr/share/fonts/opentype/noto/NotoSansCJK-'
EXTRA = 'fonts-noto-cjk-extra/usr/share/fonts/opentype/noto/NotoSansCJK-'
FACES = dict( # name: (source, number inside a collection, characters, licence)
    han_bold=(f'{NOTO}Bold.ttc', 2, HAN, 'han-OFL.txt'),
    han_medium=(f'{EXTRA}Medium.ttc', 2, HAN, 'han-OFL.txt'),
    han_regular=(f'{NOTO}Regular.ttc', 2, HAN, 'han-OFL.txt'),
    kr_bold=(f'{NOTO}Bold.ttc', 1, HANGUL, 'kr-OFL.txt'),
    kr_medium=(f'{EXTRA}Medium.ttc', 1, HANGUL, 'kr-OFL.txt'),
    dohyeon=('do-hyeon/package/files/do-hyeon-korean-400-normal.woff', -1, HANGUL, 'dohyeon-OFL.txt'),
    roboto=('fonts-roboto-unhinted/usr/share/fonts/truetype/roboto/unhinted/RobotoCondensed-Bold.ttf', -1, LATIN, 'roboto-Apache-2.0.txt'),
    din=('fonts-opendin/usr/share/fonts/truetype/opendin/OSP-DIN.ttf', -1, WORDS, 'din-OFL.txt'),
    barlow_500=(NPMS.format('barlow-condensed', 500), -1, LATIN, 'barlow-OFL.txt'),
    barlow_600=(NPMS.format('barlow-condensed', 600), -1, LATIN, 'barlow-OFL.txt'),
    barlow_700=(NPMS.format('barlow-condensed', 700), -1, LATIN, 'barlow-OFL.txt'),
    square_600=(NPMS.format('saira-condensed', 600), -1, LATIN, 'square-OFL.txt'),
    highway=(NPMS.format('overpass', 800), -1, LATIN, 'highway-OFL.txt'),
    park=('fonts-national-park/usr/share/fonts/opentype/national-park/NationalPark-Heavy.otf', -1, WORDS, 'park-OFL.txt'),
    sans=('fonts-liberation2/usr/share/fonts/truetype/liberation2/LiberationSans-Bold.ttf', -1, WORDS, 'sans-OFL.txt'))
LICENCES = { # file: (copyright line, where the licence stands in the sources)
    'han-OFL.txt': ('plategan Han: a subset of Noto Sans CJK SC. Copyright 2014-2021 Adobe (http://www.adobe.com/).', 'fonts-noto-cjk/usr/share/doc/fonts-noto-cjk/copyright'),
    'kr-OFL.txt': ('plategan Kr: a subset of Noto Sans CJK KR. Copyright 2014-2021 Adobe (http://www.adobe.com/).', 'fonts-noto-cjk/usr/share/doc/fonts-noto-cjk/copyright'),
    'dohyeon-OFL.txt': ('plategan Dohyeon: a subset of Do Hyeon. Copyright 2018 The Do Hyeon Project Authors.', 'do-hyeon/package/LICENSE'),
    'square-OFL.txt': ('plategan Square: a subset of Saira Condensed. Copyright 2016 The Saira Project Authors (omnibus.type@gmail.com), with reserved font name "Saira".', 'saira-condensed/package/LICENSE'),
    'highway-OFL.txt': ('plategan Highway: a subset of Overpass. Copyright 2021 The Overpass Project Authors (https://github.com/RedHatOfficial/Overpass).', 'overpass/package/LICENSE'),
    'park-OFL.txt': ('plategan Park: a subset of National Park. Copyright 2018 Jeremy Shellhorn (https://nationalparktypeface.com/).', 'fonts-national-park/usr/share/doc/fonts-national-park/copyright'),
    'sans-OFL.txt': ('plategan Sans: a subset of Liberation Sans. Digitized data copyright 2010 Google Corporation with Reserved Font Arimo, Tinos and Cousine. '
        'Copyright 2012 Red Hat, Inc. with Reserved Font Name Liberation.', 'fonts-liberation2/usr/share/doc/fonts-liberation2/copyright'),
    'din-OFL.txt': ('plategan Din: a subset of OSP-DIN. Copyright 2011 OSP (http://ospublish.constantvzw.org).', 'fonts-opendin/usr/share/doc/fonts-opendin/copyright'),
    'barlow-OFL.txt': ('plategan Barlow: a subset of Barlow Condensed. Copyright 2017 The Barlow Project Authors (https://github.com/jpt/barlow).', 'barlow-condensed/package/LICENSE'),
    'roboto-Apache-2.0.txt': ('plategan Roboto: a subset of Roboto Condensed. Copyright 2011 Google Inc.', '/usr/share/common-licenses/Apache-2.0')}

def run(*args, cwd=None): return subprocess.run(args, cwd=cwd, check=True, capture_output=True, text=True).stdout

def fetch(src:Path):
    "Fill `src` with the unpacked packages that are not there yet"
    src.mkdir(parents=True, exist_ok=True)
    for p in DEB:
        if (src/p).is_dir(): continue
        run('apt-get', 'download', p, cwd=src)
        deb = next(src.glob(f'{p}_*.deb'))
        run('dpkg-deb', '-x', deb.name, p, cwd=src)
        deb.unlink()
    for p in NPM:
        name = p.split('/')[-1]
        if (src/name).is_dir(): continue
        tgz = src/run('npm', 'pack', '--silent', p, cwd=src).strip().splitlines()[-1]
        with tarfile.open(tgz) as t: t.extractall(src/name, filter='data')
        tgz.unlink()

def cut(name:str, src:Path):
    "Write one face: only its characters, no hints, no layout tables, a name of its own, no date of today"
    path, number, chars, licence = FACES[name]
    font = TTFont(src/path, fontNumber=number, recalcTimestamp=False)
    opts = subset.Options(hinting=False, layout_features=[], name_IDs=[], notdef_outline=True, desubroutinize=True, glyph_names=False, recalc_timestamp=False)
    opts.drop_tables += ['GSUB', 'GPOS', 'GDEF', 'BASE', 'VORG', 'vhea', 'vmtx', 'DSIG', 'FFTM', 'kern', 'LTSH', 'VDMX', 'hdmx', 'meta']
    s = subset.Subsetter(opts)
    s.populate(text=chars)
    s.subset(font)
    family = 'plategan ' + name.replace('_', ' ').title()
    texts = {0: LICENCES[licence][0], 1: family, 2: 'Regular', 3: family, 4: family, 6: family.replace(' ', ''), 13: f'See {licence}'}
    for i, o in texts.items(): font['name'].setName(o, i, 3, 1, 0x409)
    if 'CFF ' in font:
        cff = font['CFF '].cff
        cff.fontNames = [texts[6]]
        top = cff.topDictIndex[0]
        top.FullName = top.FamilyName = family
        for k in ('Notice', 'Copyright'):
            if hasattr(top, k): setattr(top, k, texts[0])
    font.flavor = None
    out = OUT/f"{name}.{'otf' if 'CFF ' in font else 'ttf'}"
    font.save(out, reorderTables=True)
    return out

def licence(name:str, src:Path):
    "Write one licence text: whose work it is, then the licence as it came with the source"
    line, path = LICENCES[name]
    text = (Path(path) if path.startswith('/') else src/path).read_text()
    if path.endswith('copyright'): # Debian indents the licence by a blank, and has ' .' for an empty line
        lines = takewhile(lambda o: o.startswith(' '), text[text.index(' PREAMBLE'):].splitlines())
        text = '\n'.join(['SIL OPEN FONT LICENSE Version 1.1 - 26 February 2007', ''] + [o[1:].removeprefix('.') for o in lines]) + '\n'
    (OUT/name).write_text(f'{line}\nThe face was cut to the characters of number plates and renamed.\n\n{text}')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--sources', type=Path, default=Path.home()/'.cache'/'plategan-fonts', help='where the original fonts lie or are fetched to')
    p.add_argument('faces', nargs='*', metavar='FACE', help=f'of {", ".join(FACES)}; default: all')
    a = p.parse_args()
    src = a.sources
    fetch(src)
    OUT.mkdir(parents=True, exist_ok=True)
    for o in a.faces or FACES: print(f'{cut(o, src).stat().st_size:7} {o}')
    for o in LICENCES: licence(o, src)

if __name__ == '__main__': main()
