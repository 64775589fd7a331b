"Camera defects, recipes, the benchmark's conditions and the batch engine: what the lessons don't show."
import io, itertools, json, os, subprocess, sys, time
import numpy as np, pytest, torch
from pathlib import Path
from PIL import Image
from plategan import camera
from plategan.conditions import CONDITIONS, TABLE, Condition, spoil
from plategan.core import rng
from plategan.crappify import DEFECTS, RECIPES, OneOf, Recipe, crappify, crappify_folder, recipe_from_json, recipe_json, step
from plategan.degrade import CrappifyBatch, degrade, draw_batch, stack_draws

ROOT = Path(__file__).resolve().parent.parent
SEEDS = 0, 2**31 - 1

def picture(w=96, h=32, seed=0):
    "Bars and blobs with some noise: edges in all directions, all grey levels"
    y, x = np.mgrid[:h, :w]
    a = np.stack([127 + 120*np.sin(x/(3 + c) + y/(5 - c)) for c in range(3)], -1) + np.random.default_rng(seed).normal(0, 5, (h, w, 3))
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))

def tensor(*imgs): return torch.stack([torch.from_numpy(np.array(o)).permute(2, 0, 1) for o in imgs]).float()/255

def arr(img): return np.asarray(img, float)

IMGS = [picture(seed=i) for i in range(5)]

@pytest.mark.parametrize('fn', [f for f in DEFECTS if f is not camera.video], ids=lambda f: f.__name__)
@pytest.mark.parametrize('sz', [(96, 32), (33, 17), (3, 2), (1, 1)])
def test_defect_is_pure_on_any_size(fn, sz):
    "The same picture and numbers give the same result, the input stays as it was"
    img = picture(*sz)
    before, a, b = arr(img), fn(img), fn(img)
    assert a == b and a.mode == 'RGB' and min(a.size) >= 1 and (arr(img) == before).all()

NOTHING = dict(perspective=dict(yaw=0.), rolling_shutter=dict(skew=0.), expose={}, gamma=dict(gamma=1.), desaturate=dict(amount=0.), vignette=dict(strength=0.),
    glare=dict(strength=0.), shadow=dict(depth=0.), dirt=dict(cover=0.), shrink=dict(height=999), rescale=dict(scale=1.), gaussian_blur=dict(sigma=0.),
    defocus=dict(radius=0.), motion_blur=dict(length=0.), add_noise=dict(sd=0.), sharpen=dict(amount=0.), denoise=dict(strength=0.), ringing=dict(cutoff=2.))

@pytest.mark.parametrize('name', NOTHING)
def test_strength_nil_does_nothing_in_both_engines(name):
    fn = getattr(camera, name)
    assert fn(IMGS[0], **NOTHING[name]) == IMGS[0]
    x = tensor(*IMGS)
    assert (degrade(x, Recipe('one', [step(fn, **NOTHING[name])]), seed=0) - x).abs().max() < 1.5/255

@pytest.mark.parametrize('name,args', [('defocus', dict(radius=.1)), ('motion_blur', dict(length=.1)), ('shrink', dict(height=12)), ('add_noise', dict(sd=12.)),
    ('shot_noise', dict(gain=2.)), ('jpeg', dict(quality=8)), ('ringing', dict(cutoff=.3)), ('lens_blur', dict(sigma=.05, across=.01, angle=30.)), ('demosaic', {}),
    ('perspective', dict(yaw=30., pitch=10., roll=5.)), ('dirt', dict(cover=.2, seed=4)), ('expose', dict(brightness=.1, contrast=.5))])
def test_engines_agree(name, args):
    "One defect, the batch engine and the file engine: within a grey level on average, and far less than what the defect does"
    if name in ('add_noise', 'shot_noise'): args = dict(args, seed=SEEDS)
    r = Recipe('one', [step(getattr(camera, name), **args)])
    files = tensor(*[crappify(p, r, key=i)[0].resize(p.size, Image.BICUBIC) for i, p in enumerate(IMGS)])
    off, change = ((degrade(tensor(*IMGS), r, keys=range(5)) - files).abs().mean()*255).item(), ((tensor(*IMGS) - files).abs().mean()*255).item()
    assert off <= 1 and off < change/4

@pytest.mark.parametrize('sub', ['4:2:0', '4:2:2', '4:4:4'])
@pytest.mark.parametrize('sz', [(48, 16), (36, 12), (29, 11), (17, 9)])
def test_jpeg_on_tensors_at_odd_sizes(sub, sz):
    "Blocks that the picture ends in are filled as libjpeg fills them"
    imgs = [picture(*sz, seed=i) for i in range(4)]
    r = Recipe('q', [step(camera.jpeg, quality=30, subsampling=sub)])
    want = tensor(*[camera.jpeg(o, 30, sub) for o in imgs])
    assert (degrade(tensor(*imgs), r, seed=0) - want).abs().mean()*255 < .8

def test_each_picture_of_a_batch_has_its_own_numbers():
    x = tensor(*[IMGS[0]]*6)
    out = degrade(x, 'camera', seed=3)
    assert len({o.numpy().tobytes() for o in out}) == 6
    assert torch.equal(out, degrade(x, 'camera', seed=3)) and not torch.equal(out, degrade(x, 'camera', seed=4))

def test_keyed_picture_does_not_depend_on_its_batch():
    x = tensor(*IMGS)
    for name in ('surveillance', 'C9'):
        alone = torch.cat([degrade(x[i:i+1], name, keys=[i]) for i in range(5)])
        assert (degrade(x, name, keys=range(5)) - alone).abs().mean() < 4/255

@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('sz', [(96, 32), (50, 23), (16, 8)])
def test_every_recipe_on_any_batch(sz, dtype):
    x = tensor(*[picture(*sz, seed=i) for i in range(3)]).to(dtype)
    for name, r in RECIPES.items():
        y = degrade(x, name, seed=1)
        assert y.shape == x.shape and y.dtype == dtype and y.min() >= 0 and y.max() <= 1 and torch.isfinite(y).all(), name

def test_gives_no_gradient_and_leaves_the_input():
    x = tensor(*IMGS).requires_grad_()
    before = x.detach().clone()
    assert not degrade(x, seed=0).requires_grad and torch.equal(x.detach(), before)

def test_batch_draws_follow_the_recipe():
    r = Recipe('r', [step(camera.add_noise, p=.25, sd=(1., 3.), seed=SEEDS), step(camera.shot_noise, instead='add_noise', gain=OneOf((.5, (2., 3.)), (.8, .2))),
        step(camera.jpeg, quality=(3, 5))])
    n = 4000
    a, b = draw_batch(r, n, np.random.default_rng(0)), stack_draws(r, [r.draw(rng(i)) for i in range(n)])
    for t in (a, b):
        noise, shot, jpg = (t[k] for k in r.keys)
        assert abs(noise[0].mean() - .25) < .03 and (noise[0] ^ shot[0]).all() and jpg[0].all()
        assert abs(noise[1]['sd'][noise[0]].mean() - 2) < .1 and set(jpg[1]['quality'].tolist()) == {3, 4, 5}
        assert abs((shot[1]['gain'][shot[0]] == .5).mean() - .8) < .03

def test_video_has_no_batch_form():
    with pytest.raises(ValueError, match='crappify_folder'): degrade(tensor(*IMGS), Recipe('v', [step(camera.video, crf=30)]), seed=0)

@pytest.mark.parametrize('x', [torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)])
def test_refuses_what_is_no_batch(x):
    with pytest.raises(ValueError, match='expected floats'): degrade(x)

def test_recipes_travel(tmp_path):
    for name, r in RECIPES.items():
        back = recipe_from_json(json.dumps(json.loads(recipe_json(r))))
        assert back == r and back.draw(rng(1)) == r.draw(rng(1)) and str(back) == str(r), name

def test_table_remakes_pictures(tmp_path):
    "A row of crappify.csv, read back, is enough, also where steps were left out and choices were words"
    import pandas as pd
    for i, p in enumerate(IMGS):
        (tmp_path/'hr').mkdir(exist_ok=True)
        p.save(tmp_path/'hr'/f'{i}.png')
    crappify_folder(tmp_path/'hr', tmp_path/'lr', 'second_order', n_workers=0)
    for row in pd.read_csv(tmp_path/'lr'/'crappify.csv').to_dict('records'):
        again = RECIPES['second_order'].apply(Image.open(tmp_path/'hr'/row['source']).convert('RGB'), row)
        assert (arr(Image.open(tmp_path/'lr'/row['file']).convert('RGB')) == arr(again)).all()

def test_no_part_is_left_behind(tmp_path, monkeypatch):
    "A failed write leaves neither a half file nor its temporary one"
    (tmp_path/'hr').mkdir()
    IMGS[0].save(tmp_path/'hr'/'a.png')
    def full(*args): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError): crappify_folder(tmp_path/'hr', tmp_path/'lr', n_workers=0)
    assert not [p for p in (tmp_path/'lr').rglob('*') if p.is_file()]

def test_a_part_taken_is_not_the_whole(tmp_path, monkeypatch):
    "A system that takes only some of the bytes at a time gets the rest too, with and without an older file"
    from plategan.crappify import _write
    write = os.write
    monkeypatch.setattr(os, 'write', lambda fd, data: write(fd, data[:3]))
    for data in (b'0123456789', b'abcdefgh'):
        _write(f'{tmp_path}/sub/a.jpg', data)
        assert (tmp_path/'sub'/'a.jpg').read_bytes() == data and len(list((tmp_path/'sub').iterdir())) == 1

def test_a_system_without_nameless_files(tmp_path, monkeypatch):
    from plategan.crappify import _write
    monkeypatch.delattr(os, 'O_TMPFILE', raising=False)
    for i in range(2): _write(f'{tmp_path}/{i}.jpg', b'x')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['0.jpg', '1.jpg']

SLOW = """
import sys, time, os
from pathlib import Path
from plategan.core import each_file, _may_fork
def job(o):
    if o == 7: raise ValueError('seven')
    if sys.argv[1] != '0': time.sleep(float(sys.argv[1])); Path(sys.argv[2], str(os.getpid())).touch()
    return o, os.getpid()
if __name__ == '__main__':
    assert _may_fork()
    good, bad = each_file(lambda o: job(o), range(40), 2, name=str)
    assert _may_fork()
    assert [o for o, _ in good] == [o for o in range(40) if o != 7] and bad == [('7', 'seven')], (good, bad)
    assert os.getpid() not in {p for _, p in good}
    import torch
    assert not _may_fork()
    print('done')
"""

@pytest.mark.skipif(sys.platform != 'linux', reason='forks are for Linux')
def test_forked_workers(tmp_path):
    "In order, with the report, by copies of a process that has no threads; none if torch is there"
    r = subprocess.run([sys.executable, '-c', SLOW, '0', tmp_path], capture_output=True, text=True)
    assert r.returncode == 0 and r.stdout.endswith('done\n') and 'skipped 7: seven' in r.stdout, r

@pytest.mark.skipif(sys.platform != 'linux', reason='forks are for Linux')
def test_workers_end_with_their_process(tmp_path):
    "Also when it is killed, and cannot tell them"
    p = subprocess.Popen([sys.executable, '-c', SLOW, '.2', tmp_path])
    while len(ids := list(tmp_path.iterdir())) < 2 and p.poll() is None: time.sleep(.02)
    p.kill()
    p.wait()
    end = time.time() + 20
    def alive(i): return os.path.exists(f'/proc/{i}') and Path(f'/proc/{i}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    while any(alive(i.name) for i in ids) and time.time() < end: time.sleep(.02)
    assert len(ids) == 2 and not [i.name for i in ids if alive(i.name)]

@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_the_fast_decoder_gives_the_same_pixels(mode, tmp_path):
    pytest.importorskip('simplejpeg')
    from plategan.core import open_image
    from plategan.crappify import _fast, _is_plain, _open
    n, f = 0, tmp_path/'a.jpg'
    for (w, h), sub, q in itertools.product([(1, 1), (15, 9), (17, 16), (94, 24), (193, 65)], (0, 1, 2), (3, 75, 95)):
        for kw in ({}, dict(optimize=True), dict(dpi=(300, 300)), dict(restart_marker_blocks=1), dict(progressive=True), dict(comment='x')):
            picture(w, h).convert(mode).save(f, quality=q, subsampling=sub, **kw)
            n += _is_plain(f.read_bytes())
            a, b = _open(f, _fast()), open_image(f)
            assert a.mode == b.mode and a.tobytes() == b.tobytes() and a.info.get('comment') == b.info.get('comment'), (w, h, sub, q, kw)
    assert n == (0 if mode == 'CMYK' else 45*4)

def test_course_is_what_the_course_did(tmp_path):
    "Byte for byte Pillow's file at the drawn quality, and the same files for any number of processes"
    (tmp_path/'hr').mkdir()
    for i, p in enumerate(IMGS): p.save(tmp_path/'hr'/f'{i}.jpg', quality=95)
    df = crappify_folder(tmp_path/'hr', tmp_path/'one', n_workers=0)
    crappify_folder(tmp_path/'hr', tmp_path/'two', n_workers=2)
    for row in df.to_dict('records'):
        buf = io.BytesIO()
        Image.open(tmp_path/'hr'/row['source']).save(buf, 'JPEG', quality=row['jpeg.quality'])
        assert (tmp_path/'one'/row['file']).read_bytes() == (tmp_path/'two'/row['file']).read_bytes() == buf.getvalue()

def test_x8_is_system_003():
    "Bilinear to 24 by 12 from 192 by 96 by the four pixels in the middle of each block of 8, as tf.image.resize without antialiasing"
    a = arr(picture(192, 96))
    want = (a[3::8, 3::8] + a[3::8, 4::8] + a[4::8, 3::8] + a[4::8, 4::8])/4
    got = arr(camera.rescale(picture(192, 96), .125, 'bilinear'))
    assert got.shape == (12, 24, 3) and np.abs(got - want).max() <= 1
    x = torch.rand(1, 3, 96, 192)
    flat = torch.nn.functional.interpolate(x, (12, 24), mode='bilinear')
    assert abs(flat - degrade_small(x)).max() < 2/255

def degrade_small(x):
    "`x` at an eighth by the batch engine, at its small size"
    from plategan.degrade import Canvas, _rescale
    c = Canvas(x*255, np.array([96]), np.array([192]))
    return _rescale(c, np.array([True])).x/255

def test_conditions_are_the_benchmarks():
    "Both libraries: sizes, and the share of what the condition does on which they differ"
    assert list(CONDITIONS) == [f'C{i}' for i in range(10)] == [k for k in RECIPES if k[0] == 'C']
    img = picture(440, 140)
    for n in TABLE:
        a, b = (Condition(n, by)(img, rng(1)) for by in ('opencv', 'ours'))
        assert a.size == b.size and (a == img) == (n == 'C0')
    for n in ('C1', 'C2', 'C3', 'C4'):
        a, b = (arr(Condition(n, by)(img, rng(1)).resize(img.size, Image.BICUBIC)) for by in ('opencv', 'ours'))
        assert np.abs(a - b).mean() < np.abs(a - arr(img)).mean()/3
    a = arr(spoil(Image.new('RGB', (300, 300), (128,)*3), rng(0), noise=8.))
    assert abs(a.std() - 8) < .2

def test_conditions_without_opencv():
    "The module opens without OpenCV, and says what to install when it is needed"
    code = '''import sys
sys.modules['cv2'] = None
from PIL import Image
from plategan.conditions import CONDITIONS
from plategan.core import rng
try: CONDITIONS['C4'](Image.new('RGB', (8, 8)), rng(0))
except ImportError as e: print('pip install opencv-python-headless' in str(e))'''
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    assert subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True, check=True).stdout.strip() == 'True'

def test_nothing_that_trains_knows_the_judges_damage():
    "Only evaluation and doors may import `conditions`"
    for p in (ROOT/'plategan').rglob('*.py'):
        if p.stem in ('conditions', 'evaluate', 'benchmark', 'cli', '_modidx'): continue
        assert 'conditions import' not in p.read_text(), p

def test_callback_keeps_validation_fixed():
    from fastai.vision.all import Callback, DataLoaders, Learner, MSELossFlat, nn
    class Kept(Callback):
        order = 0
        def before_fit(self): self.seen = {True: [], False: []}
        def before_batch(self): self.seen[self.training].append(self.xb[0].clone())
    data = [(o, o) for o in tensor(*IMGS)]
    dls = DataLoaders.from_dsets(data, data, bs=2, device='cpu', num_workers=0, drop_last=False)
    kept = Kept()
    learn = Learner(dls, nn.Conv2d(3, 3, 1), loss_func=MSELossFlat(), cbs=[CrappifyBatch('camera'), kept])
    with learn.no_bar(), learn.no_logging(): learn.fit(2)
    valid, train = torch.cat(kept.seen[False]), torch.cat(kept.seen[True])
    assert torch.equal(valid[:5], valid[5:]) and len(valid) == 10
    assert len({o.numpy().tobytes() for o in train}) == len(train)
    assert (valid[:5] - degrade(tensor(*IMGS), 'camera', 42, range(5))).abs().mean() < 4/255
