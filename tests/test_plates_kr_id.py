"Korea and Indonesia: drawn numbers against the rules written another way, sums of millimetres, and what a plate must look like."
import re
import numpy as np, pytest
from plategan.core import rng
from plategan.plates.render import render, strokes_of
from plategan.plates.spec import TYPES, check_number, draw_number, find_type, layout, parse, plate_types, regions

H, REG = '가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주', '서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주'
OLD = REG.replace('세종|', '')
AREA = ('A|AA|AB|AD|AE|AG|B|BA|BB|BD|BE|BG|BH|BK|BL|BM|BN|BP|D|DA|DB|DC|DD|DE|DG|DH|DK|DL|DM|DN|DR|DT|E|EA|EB|ED|F|G|H|K|KB|KH|KT|KU|L|M|N|P|PA|PB|R|S|T|W|Z')
white7, white8 = rf'\d{{2}}[{H}하허호]\d{{4}}', rf'[1-9]\d{{2}}[{H}하허호]\d{{4}}'
yellow, plate_id = rf'({REG})\d{{2}}[바사아자배]\d{{4}}', rf'({AREA}) [1-9]\d{{0,3}}( [A-Z]{{1,3}})?'
RULES = dict(kr_private=white7, kr_private_short=white7, kr_private8=white8, kr_film=white8, kr_ev=white8, kr_taxi=yellow, kr_taxi_short=yellow,
    kr_green_old=rf'({OLD})\d{{2}}[{H}]\d{{4}}', kr_green_old1=rf'({OLD})\d[{H}]\d{{4}}', kr_green=rf'\d{{2}}[{H}]\d{{4}}')
RULES |= {t.name: plate_id for t in plate_types('id')}

def test_every_type_has_a_rule(): assert set(RULES) == {t.name for c in ('kr', 'id') for t in plate_types(c)}

SAME = {o for o in RULES if o[:2] == 'id'}-{'id_white', 'id_moto_white'} # the grammar of these two: balancing it takes seconds

@pytest.mark.parametrize('name,balanced', [(o, b) for o in sorted(RULES) for b in (False, True) if not (b and o in SAME)])
def test_drawn_numbers_follow_the_rule(name, balanced):
    g, rule = rng(5, name), re.compile(RULES[name])
    texts = [draw_number(name, g, balanced=balanced) for _ in range(1000)]
    assert not [o for o in texts if not rule.fullmatch(o)]
    assert len(set(texts)) > 900
    seen = {c for o in texts for c in o}
    assert set('0123456789') <= seen and (name[:2] == 'id' or balanced is False or set(H if 'taxi' not in name else '바사아자배') <= seen)

@pytest.mark.parametrize('name', sorted(RULES))
def test_boxes_stay_inside_and_apart(name):
    "No character touches the frame line or another character, whatever the number's length"
    t, g = TYPES[name], rng(3, name)
    edge = t.frame[0]+t.frame[1]
    for _ in range(100):
        boxes = np.array([o[1:] for o in layout(t, draw_number(t, g))])
        x0, y0, x1, y1 = boxes[:, 0], boxes[:, 1], boxes[:, 0]+boxes[:, 2], boxes[:, 1]+boxes[:, 3]
        assert min(x0.min(), y0.min()) > edge and x1.max() < t.sz_mm[0]-edge and y1.max() < t.sz_mm[1]-edge
        for i in range(len(boxes)):
            for j in range(i): assert x1[j]+2 <= x0[i] or x1[i]+2 <= x0[j] or y1[j]+2 <= y0[i] or y1[i]+2 <= y0[j], (i, j)

@pytest.mark.parametrize('name,margin,cells', [('kr_private', 44, (56, 56, 96, 56, 56, 56, 56)), ('kr_private8', 30, (55, 55, 55, 75, 55, 55, 55, 55)),
    ('kr_film', 65, (50, 50, 50, 85, 50, 50, 50, 50)), ('kr_taxi', 32, (55, 55, 55, 71, 55, 55, 55, 55))])
def test_long_korean_plates_add_up(name, margin, cells):
    "Margin, cells and margin make 520 mm (the film plate has 20 on the right), each character stands in its cell, digits in its middle"
    t, right = TYPES[name], 20 if name == 'kr_film' else margin
    assert t.sz_mm == (520, 110) and margin+sum(cells)+right == 520
    slots = t.slots[1:] if name == 'kr_taxi' else t.slots
    for i, (x, y, w, h) in enumerate(slots):
        left, cell = margin+sum(cells[:i]), cells[i]
        assert left <= x and x+w <= left+cell
        if cell in (50, 55, 56) and (name != 'kr_taxi' or i): assert x+w/2 == left+cell/2 and abs(w/h-.54) < .006 and abs(y+h/2-55) < .01

def test_short_korean_plates_add_up():
    "Serial digits in the middle of their 45 mm cells, 56 apart; class digits 37 apart; rows 14 to 54 and 60 to 150; the white row in the middle"
    for name in ('kr_taxi_short', 'kr_green_old', 'kr_green_old1'):
        t = TYPES[name]
        assert t.sz_mm == (335, 170) and [x+w/2 for x, _, w, _ in t.slots[-4:]] == [127.5+56*i for i in range(4)]
        assert {(y, y+h) for _, y, _, h in t.slots[-4:]} == {(60, 150)} and (t.slots[2][1], t.slots[2][1]+t.slots[2][3]) == (14, 54)
    assert [x+w/2 for x, _, w, _ in TYPES['kr_taxi_short'].slots[2:4]] == [178+15, 215+15]
    assert TYPES['kr_green'].sz_mm == (335, 170) and TYPES['kr_private_short'].sz_mm == (335, 155)
    white = TYPES['kr_private_short'].slots
    assert white[0][0] == 335-white[-1][0]-white[-1][2]

def test_korean_plates_by_number():
    for text, name in dict(인천89바4871='kr_taxi', 서울12가3456='kr_green_old', 서울1가3456='kr_green_old1', **{'12가3456': 'kr_private', '123가4568': 'kr_private8'}).items():
        assert find_type(text).name == name
    p = render('인천89바4871')
    assert p.text == '인천89바4871' and [c for c, *_ in p.boxes] == list('인천89바4871')
    assert parse(TYPES['kr_taxi'], '인천 89바 4871') == ('인천89바4871', '인천')
    (_, x, y, *_), (_, x2, y2, *_) = layout(TYPES['kr_taxi'], p.text)[:2]
    assert x == x2 and y < y2, 'on a long plate the region is stacked'
    (_, x, y, *_), (_, x2, y2, *_) = layout(TYPES['kr_taxi_short'], p.text)[:2]
    assert y == y2 and x < x2

@pytest.mark.parametrize('name,text,why', [
    ('kr_private', '12바3456', 'a symbol of private cars'), ('kr_private', '00가1234', 'a digit from 1 to 9'), ('kr_private', '12가345', 'too short'),
    ('kr_private', '12가34567', 'too long'), ('kr_private', '123가4567', 'a symbol of private cars'), ('kr_private8', '012가3456', 'from 1'),
    ('kr_film', '12가3456', 'expected a digit'), ('kr_private', '12육3456', 'rental'), ('kr_taxi', '평양89바4871', 'a region such as'), ('kr_taxi', '12가3456', 'a region such as'),
    ('kr_taxi', '서울12가3456', '바 사 아 자'), ('kr_green_old', '세종12가3456', 'a region such as'), ('kr_green', '12하3456', 'private cars'),
    ('id_white', 'XX 1234 AB', 'an area code'), ('id_black', 'B 0123 AB', 'a digit from 1 to 9'), ('id_white', 'B 12345 AB', 'too long'), ('id_public', 'B 1234 ABCD', 'too long'),
    ('id_moto_white', 'B', 'too short'), ('id_electric', 'B 12A4 AB', 'a digit')])
def test_wrong_numbers_are_refused_with_the_rule(name, text, why):
    assert not re.fullmatch(RULES[name], text) or text[:2] == '00'
    with pytest.raises(ValueError, match=re.escape(why)): check_number(name, text)

def test_korean_mix():
    "The six older types as often as ever; newer ones take from the plate that they replaced"
    kr = {t.name: t.share for t in plate_types('kr')}
    assert sum(kr.values()) == pytest.approx(100)
    groups = [('private', 'private8', 'film', 'ev'), ('private_short',), ('taxi',), ('taxi_short',), ('green_old', 'green_old1'), ('green',)]
    assert [round(sum(kr[f'kr_{o}'] for o in g), 6) for g in groups] == [33, 32, 15, 15, 3, 2]
    assert len(regions(TYPES['kr_taxi'])) == 17 and len(regions(TYPES['kr_green_old'])) == 16 and not regions(TYPES['kr_green'])

def test_indonesian_ranges():
    "Cars, motorcycles, buses and trucks keep to their thousands; all others are rare, not refused"
    def thousands(name):
        n = [int(draw_number(name, g).split()[1]) for g in [rng(1, name)] for _ in range(2000)]
        return np.bincount([o//1000 for o in n], minlength=10)/len(n)
    car, moto, bus = (thousands(f'id_{o}') for o in ('white', 'moto_white', 'public'))
    assert car[[0, 1, 2]].sum() > .8 and car[3:7].sum() < .04 and moto[2:7].sum() > .95
    assert .15 < bus[7] and .15 < bus[8:].sum()
    assert check_number('id_white', 'E 6528 P') == check_number('id_moto_black', 'E 6528 P') == 'E 6528 P'

def test_validity_row_stands_below():
    for t in plate_types('id'):
        bottom = max(y+h for _, _, y, _, h in layout(t, 'B 1234 ABC'))
        assert bottom+5 < t.below.y and t.below.y+t.below.h < t.sz_mm[1]-t.frame[0]-t.frame[1], t.name
        assert (t.below.x0+t.below.x1)/2 > t.sz_mm[0]*.6 if 'moto' in t.name else abs((t.below.x0+t.below.x1)/2-t.sz_mm[0]/2) < 10

def mean_colour(p, x, y): return np.asarray(p.img)[y-3:y+4, x-3:x+4].reshape(-1, 3).mean(0)

def test_colours():
    def at(name, x, y): return mean_colour(render(type=name, seed=1, vary=0), x, y)
    for name, order in dict(kr_green='gr', kr_taxi='rb', kr_film='br', id_public='rb', id_government='rg', id_trade_zone='gr', id_electric='br').items():
        hi, lo = map('rgb'.index, order)
        x, y = {'kr_film': (7, 90), 'id_electric': (60, 127)}.get(name, (12, TYPES[name].sz_mm[1]-12))
        rgb = at(name, x, y)
        assert rgb[hi] > rgb[lo]+60, (name, rgb)
    assert at('id_white', 60, 115).min() > 220 and at('id_black', 60, 115).max() < 40 and at('kr_private', 28, 90).min() > 220

def test_indonesian_pen():
    "Every letter and digit has strokes inside the unit square; the 4 is open at the top, and only some plates put a foot under the 1"
    from plategan.plates.render import glyph, pen_strokes
    assert set(strokes_of('pen_id')) == set('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')
    for c in strokes_of('pen_id'):
        p = np.concatenate(pen_strokes(c, 'pen_id'))
        assert p.min() > -.01 and p.max() < 1.01 and np.ptp(p[:, 1]) > .97, c
    four, one, foot = (glyph(f, c, 8., (34., 70.), (68, 140)) for f, c in [('pen_id', '4'), ('pen_id', '1'), ('pen_id_base', '1')])
    assert not four[20:60, :14].any() and not four[10:70, 60:].any()
    assert (foot[130] > 128).sum() > 2*(one[130] > 128).sum()
    for t in plate_types('id'):
        for face in t.faces:
            for c in strokes_of('pen_id'):
                used = face if face in t.only.get(c, t.faces) else t.only[c][0]
                assert not strokes_of(used) or c in strokes_of(used), (t.name, face, c)
