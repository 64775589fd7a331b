"Wear, bends, lenses and scenes: labels follow the pixels, and say what was drawn."
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
import numpy as np, pytest
from PIL import Image
from plategan.core import rng, save_image
from plategan.plates.render import render, render_folder
from plategan.plates.scene import draw_place, fit_photo, made_street, place_grain, place_light, put_on, render_scenes
from plategan.plates.spec import TYPES
from plategan.plates.warp import Seen, as_crop, heights, lay
from plategan.plates.wear import WEAR, as_photo, bolts, draw_wear, fade, flash, ink_mask, shade_edge, share, texture, worn

RED = 255, 0, 0

def dotted(plate, side=9):
    "`plate` in grey with a red square in the middle of each character's box, and where these are"
    img, at = plate.img.convert('L').convert('RGB').point(lambda v: 60+v//3), []
    for _, x0, y0, x1, y1 in plate.boxes:
        at.append(((x0+x1)/2, (y0+y1)/2))
        x, y = round(at[-1][0]-side/2), round(at[-1][1]-side/2)
        img.paste(RED, (x, y, x+side, y+side))
        at[-1] = x+side/2, y+side/2
    return replace(plate, img=img), np.array(at)

def red_spots(img, near, r):
    "The middle of what is red within `r` px of each point"
    a = np.asarray(img, float)
    w = np.clip(a[..., 0]-np.maximum(a[..., 1], a[..., 2])-60, 0, None)
    y, x = np.mgrid[:a.shape[0], :a.shape[1]]+.5
    out = []
    for px, py in near:
        m = w*(np.hypot(x-px, y-py) < r)
        out.append(((m*x).sum()/m.sum(), (m*y).sum()/m.sum()))
    return np.array(out)

BENDS = [None, dict(bow=25., twist=10.), dict(curl=-25.), dict(dents=[(150, 70, 70, 12.)])]

@pytest.mark.parametrize('bend', BENDS)
@pytest.mark.parametrize('lens', [None, (.1, .3, .6), (-.06, .7, .2)])
def test_points_follow_pixels(bend, lens):
    "What a view says of a point is where that point is seen"
    plate, at = dotted(render('皖A12345', 'cn_blue'))
    to = np.array([(40, 70), (560, 30), (575, 190), (30, 215)], float)
    view = Seen(plate.corners, to, (600, 260), bend and dict(bend, mm=(440, 140)), (.2, .6), lens)
    seen = lay(plate.img, view, (600, 260)).convert('RGB')
    want = view.move(at)
    assert np.abs(red_spots(seen, want, 18)-want).max() < 1.
    assert np.abs(view.move(plate.corners)-to).max() < .01
    assert np.abs(view.back(want)-at).max() < .1
    if bend or lens: assert np.abs(want-Seen(plate.corners, to, (600, 260)).move(at)).max() > 2

def test_crop_of_a_bent_plate_labels_its_characters():
    plate, at = dotted(render('皖A12345', 'cn_blue'))
    plate.params['bend'] = dict(mm=(440, 140), bow=30., twist=12.)
    flat = replace(plate, params={k: v for k, v in plate.params.items() if k != 'bend'})
    for i in range(4):
        crop = as_crop(plate, rng(3, i), (576, 192), strength=0, pose=1., lens=1.)
        mid = crop.quads.mean(1)
        assert np.abs(red_spots(crop.img, mid, 25)-mid).max() < 3
        assert {'tilt', 'lens'} <= set(crop.params['view'])
        for q, (_, x0, y0, x1, y1) in zip(crop.quads, crop.boxes):
            assert (x0, y0) == pytest.approx(np.clip(q.min(0), 0, (576, 192)), abs=.01) and (x1, y1) == pytest.approx(np.clip(q.max(0), 0, (576, 192)), abs=.01)
    assert 'tilt' not in as_crop(flat, rng(3, 0), strength=0, pose=1.).params['view']

def test_heights_are_zero_without_a_bend():
    pts = rng(1).uniform(0, 100, (20, 2))
    assert (heights(dict(mm=(440, 140)), pts) == 0).all()
    assert heights(dict(mm=(440, 140), bow=10.), [(220, 70), (0, 0), (440, 140)]).tolist() == [10, 0, 0]

def test_strength_0_changes_nothing():
    plate = render(type='cn_green', seed=1)
    for old in (worn(plate, rng(1), 0), worn(plate, wear={}), worn(plate, wear=dict(mud=0., rust=0.))):
        assert old.img.tobytes() == plate.img.tobytes() and old.params['wear'] == {}
    assert fade(plate.img, 0).tobytes() == plate.img.tobytes()
    assert (shade_edge((40, 20), 0, rng(1)) == 1).all()
    p = np.full((3, 20, 40), .5, np.float32)
    assert np.allclose(flash(p, 0, rng(1)), p)
    assert all(draw_wear(rng(i), 0) == {} for i in range(20))

@pytest.mark.parametrize('kind', WEAR)
def test_each_defect_shows_and_repeats(kind):
    "More of a defect changes more; the label alone draws the same bytes again; the size stays"
    plate = render(type='cn_blue', seed=2)
    base = np.asarray(plate.img, float)
    diff = [np.abs(np.asarray(worn(plate, wear={kind: a, 'seed': 5}).img, float)-base).mean() for a in (.25, 1.)]
    assert 0 < diff[0] < diff[1]
    a = worn(plate, rng(9), wear={kind: .8})
    b = worn(plate, wear=json.loads(json.dumps(a.params))['wear'])
    assert a.img.tobytes() == b.img.tobytes() and a.img.size == plate.img.size and a.boxes == plate.boxes
    assert ('bend' in a.params) == (kind in ('bend', 'dents'))
    if kind != 'fade': assert worn(plate, rng(10), wear={kind: .8}).img.tobytes() != a.img.tobytes()

def test_defects_do_not_change_each_other():
    "Mud lies in the same places whether there are scratches below or not"
    plate = render(type='id_white', seed=2)
    one, two = (np.asarray(worn(plate, wear=dict(mud=1., seed=5, **o)).img, int) for o in ({}, dict(scratches=1.)))
    none, some = (np.asarray(worn(plate, wear=dict(seed=5, **o)).img, int) for o in ({}, dict(scratches=1.)))
    same = (none == some).all(-1)
    assert same.mean() > .5 and np.abs(one-two)[same].max() <= 1 and not (one == two).all()

def test_wear_is_checked():
    plate = render(type='cn_blue', seed=1)
    with pytest.raises(ValueError, match='there are paint'): worn(plate, wear=dict(moss=1))
    with pytest.raises(ValueError, match='from 0'): worn(plate, wear=dict(mud=3))
    with pytest.raises(ValueError, match='there are cloud'): texture('stars')

def test_share_covers_its_share():
    for k in ('cloud', 'fine', 'streak', 'splash'):
        for c in (0, .1, .5): assert np.asarray(share(texture(k), c)).mean()/255 == pytest.approx(c, abs=.02)

@pytest.mark.parametrize('name', ['cn_blue', 'cn_green', 'id_black', 'id_white', 'kr_private', 'cn_yellow'])
def test_ink_mask_finds_the_ink(name):
    plate = render(type=name, seed=4)
    m = np.asarray(ink_mask(plate.img)[0], float)/255
    inside = np.mean([m[int(y0):int(y1), int(x0):int(x1)].mean() for _, x0, y0, x1, y1 in plate.boxes])
    y0, y1 = (int(o) for o in plate.boxes[0][2::2])
    gap = m[y0:y1, int(plate.boxes[1][3])+2:int(plate.boxes[2][1])-2]
    assert .2 < inside < .7 and (gap.size == 0 or gap.mean() < inside/2)

def test_every_type_wears():
    "All types, small and large, with and without screws"
    for t in TYPES.values():
        plate = render(type=t, seed=1, sz=(120, 60))
        old = worn(plate, rng(2), wear={k: .7 for k in WEAR})
        assert old.img.size == (120, 60) and len(bolts(plate)) >= 1
        assert as_photo(plate, rng(3)).img.size == (192, 64)

def test_labels_carry_the_parameters(tmp_path):
    render_folder(tmp_path/'a', 12, type='cn_blue', sz=(226, 70), view=partial(as_photo, lens=1.), seed=3, n_workers=0)
    rows = [json.loads(o) for o in (tmp_path/'a'/'labels.jsonl').read_text(encoding='utf-8').splitlines()]
    assert all({'wear', 'view', 'light', 'relief'} <= set(r['params']) and 'lens' in r['params']['view'] for r in rows)
    assert any(r['params']['wear'] for r in rows)
    assert all('tilt' in r['params']['view'] for r in rows if 'bend' in r['params'])

def test_same_seed_same_bytes(tmp_path):
    "One process or two"
    view = partial(as_photo, wear=1.5)
    for d, n in (('a', 0), ('b', 2)): render_folder(tmp_path/d, 104, type='cn_blue', sz=(113, 35), view=view, seed=3, n_workers=n)
    names = sorted(p.name for p in (tmp_path/'a').glob('*.jpg'))
    assert len(names) == 104
    assert all((tmp_path/'a'/n).read_bytes() == (tmp_path/'b'/n).read_bytes() for n in [*names, 'labels.jsonl', 'labels.csv'])

CORNERS = np.array([(60, 220), (250, 200), (256, 268), (64, 284)], float)

@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    "Two small photographs that know where their plate is, and two files that are no use"
    d = tmp_path_factory.mktemp('photos')
    for i in range(2): save_image(made_street(rng(1, i), (300, 480))[0], d/f'{i}.jpg')
    (d/'broken.jpg').write_bytes(b'no picture')
    save_image(Image.new('RGB', (20, 20)), d/'tiny.png')
    return d

def here(path): return CORNERS

def corner_name(plate, i): return f'{plate.text}-'+'_'.join(f'{x:.0f}&{y:.0f}' for x, y in plate.corners)

def test_scene_keeps_its_corners():
    "The plate is where the corners say, and so are its characters"
    photo = Image.new('RGB', (640, 400), (120, 120, 120))
    to = np.array([(80, 120), (540, 90), (548, 250), (84, 270)], float)
    plate, _ = dotted(render('皖A12345', 'cn_blue'))
    for bend in (None, dict(mm=(440, 140), bow=20.)):
        o = put_on(replace(plate, params=dict(plate.params, **(dict(bend=bend) if bend else {}))), photo, to, rng(1), (.1, .5))
        assert np.abs(o.corners-to).max() < .01
        mid = o.quads.mean(1)
        assert np.abs(red_spots(o.img, mid, 16)-mid).max() < 1.5
    far = np.abs(np.asarray(o.img, int)-np.asarray(photo, int)).max(-1)
    assert far[:60].max() == 0 and far[330:].max() == 0 and far[120:250, 120:500].mean() > 15

def test_made_street_has_room_for_its_plate():
    for i in range(12):
        im, c, tilt = made_street(rng(5, i), (240, 390), (520, 112))
        assert im.size == (240, 390) and (c >= 0).all() and (c <= im.size).all()
        assert c[1, 0]-c[0, 0] > 20 and (c[3, 1] > c[0, 1]) and (c[2, 1] > c[1, 1])

def test_drawn_places_lie_in_the_picture():
    for sz in ((720, 1160), (1280, 720), (300, 300)):
        for i in range(40):
            c, _ = draw_place(rng(7, i), sz)
            assert (c >= 0).all() and (c <= sz).all() and c[1, 0] > c[0, 0] and c[3, 1] > c[0, 1]

def test_fit_photo_moves_corners_along():
    img = Image.new('RGB', (900, 700), (90, 90, 90))
    img.paste(RED, (400, 300, 420, 320))
    at = np.array([(400, 300), (420, 300), (420, 320), (400, 320)], float)
    for i, sz in enumerate([(300, 300), (600, 200), (1200, 1500)]):
        im, c = fit_photo(img, sz, rng(i), at)
        assert im.size == sz and np.abs(red_spots(im, [c.mean(0)], 30)-c.mean(0)).max() < 1

def test_light_and_grain_of_a_place():
    photo, c, _ = made_street(rng(2, 3))
    light = place_light(photo, c)
    assert max(place_light(photo.point(lambda v: v//3), c)['tint']) < .6*max(light['tint'])
    warm = Image.merge('RGB', [o.point(lambda v, k=k: int(v*k)) for o, k in zip(photo.split(), (1, .8, .6))])
    t = place_light(warm, c)['tint']
    assert t[0]/t[2] > 1.2*light['tint'][0]/light['tint'][2]
    noisy = Image.fromarray((np.asarray(photo, float)+rng(1).normal(0, 10, (1160, 720, 3))).clip(0, 255).astype(np.uint8))
    assert place_grain(noisy, c)['noise'] > place_grain(photo, c)['noise']+.01

def test_scenes_folder(photos, tmp_path, capsys):
    "Labels match names and pictures; bad files are named; one process or two, whole or gone on with: the same bytes"
    kw = dict(backgrounds=photos, type=['cn_blue', 'cn_green'], sz=(240, 390), seed=4, at=here, name_fn=corner_name)
    df = render_scenes(tmp_path/'a', 24, n_workers=0, **kw)
    said = capsys.readouterr().out
    assert 'broken.jpg' in said and 'tiny.png' in said
    assert len(df) == 24 and set(df.background) == {'0.jpg', '1.jpg'}
    assert {'corners', 'text', 'type', 'country', 'region', 'seed', 'background', 'width', 'height'} <= set(df)
    rows = [json.loads(o) for o in (tmp_path/'a'/'labels.jsonl').read_text(encoding='utf-8').splitlines()]
    for r in rows:
        assert Image.open(tmp_path/'a'/r['file']).size == (240, 390)
        named = [p.split('&') for p in Path(r['file']).stem.split('-')[1].split('_')]
        assert r['file'].startswith(r['text']) and np.abs(np.array(named, float)-r['corners']).max() < .52
        assert len(r['quads']) == len(r['boxes']) and {'light', 'blur', 'noise'} <= set(r['params']['view']) and 'wear' in r['params']
    render_scenes(tmp_path/'b', 9, n_workers=0, **kw)
    gone = next((tmp_path/'b').glob('*.jpg'))
    gone.unlink()
    render_scenes(tmp_path/'b', 24, n_workers=2, **kw)
    for n in [*df.file, 'labels.csv', 'labels.jsonl']: assert (tmp_path/'a'/n).read_bytes() == (tmp_path/'b'/n).read_bytes(), n
    with pytest.raises(ValueError, match='another run'): render_scenes(tmp_path/'a', 24, n_workers=0, **dict(kw, seed=5))

def test_scenes_refuse_what_they_cannot_do(tmp_path):
    with pytest.raises(FileNotFoundError): render_scenes(tmp_path/'a', 2, tmp_path/'nowhere', n_workers=0)
    with pytest.raises(ValueError, match='at least one'): render_scenes(tmp_path/'a', 0)
    with pytest.raises(ValueError, match='at least 64'): render_scenes(tmp_path/'a', 1, sz=(10, 10))
    (tmp_path/'bad').mkdir()
    (tmp_path/'bad'/'x.jpg').write_bytes(b'no')
    with pytest.raises(ValueError, match='no usable background'): render_scenes(tmp_path/'c', 2, tmp_path/'bad', n_workers=0)
