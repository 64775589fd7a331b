"Photographs at scale and other sets: what a lesson can't show - the predecessors' faults, killed workers, broken files, both decoders"
import importlib.util, io, os, signal, subprocess, sys, threading
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image
from plategan import photos
from plategan.core import BadImage, find_images, open_image, rng
from plategan.photos import ADS, ALPHABETS, BUCKETS, PROVINCES, BadName, ccpd_name, crop, crop_folder, parse_ccpd, plate_size, reach, read_part, read_split
from plategan.photos import sieve
from plategan.sets import check_apart, in_order, overlap, phash, read_set, split_by_number, torn

ROOT = Path(__file__).resolve().parent.parent
README = '025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15'
fast = pytest.mark.skipif(not importlib.util.find_spec('simplejpeg'), reason='simplejpeg is not installed')
cluster = pytest.mark.skipif(not importlib.util.find_spec('distributed'), reason='dask is not installed')

def files(root): return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob('*')) if p.is_file()}

def picture(i, sz=(720, 1160)):
    "Colours that change smoothly, with grain: no two rows alike"
    small = rng(i, 'picture').integers(0, 256, (sz[1]//40 + 1, sz[0]//40 + 1, 3), dtype=np.uint8)
    a = np.asarray(Image.fromarray(small).resize(sz, Image.BICUBIC), np.int16) + rng(i, 'grain').integers(-9, 9, (sz[1], sz[0], 3))
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))

def drawn(i):
    "A number, corners and name with everything drawn"
    g = rng(1, 'name', i)
    text = ''.join(t[g.integers(len(t) - 1)] for t in [PROVINCES, ALPHABETS] + [ADS]*g.integers(5, 7))
    w, h, a = g.uniform(60, 300), g.uniform(30, 90), np.radians(g.uniform(-45, 45))
    c = np.array([(0, 0), (w, 0), (w + g.uniform(-30, 30), h), (g.uniform(-30, 30), h)]) @ [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]
    c = c - c.min(0)
    return text, (c + g.uniform(0, 1, 2)*(np.array([720, 1160]) - c.max(0))).round()

def folder(src, n):
    "`n` photographs with CCPD names, all of one picture that is quickly decoded"
    src.mkdir(parents=True, exist_ok=True)
    b = io.BytesIO()
    picture(0, (72, 116)).resize((720, 1160), Image.NEAREST).save(b, 'jpeg', quality=60)
    for i in range(n):
        text, c = drawn(i)
        (src/f'{ccpd_name(text, c, brightness=i)}.jpg').write_bytes(b.getvalue())
    return src

@pytest.mark.parametrize('is_folded', [False, True])
def test_names_round_trip(is_folded):
    for i in range(500):
        text, c = drawn(i)
        name = ccpd_name(text, c, brightness=i % 256, blurriness=i, folded=is_folded)
        o = parse_ccpd(f'{name}.jpg', (720, 1160))
        assert (o.name, o.text, o.corners.tolist(), o.brightness, o.blurriness) == (name, text, c.tolist(), i % 256, i)
        low = np.degrees(np.arctan2(*(c[2] - c[3])[::-1]))
        assert abs(o.degrees[0] - low) <= 1 and 0 <= o.degrees[1] <= 90, name
        assert o.box == (*c.min(0), *c.max(0)) and len(o.indices) == len(text)

def test_indices_that_mean_none_leave_nothing():
    o = parse_ccpd(README.replace('_33_16', '_33_34'))
    assert o.text == '皖AY339' and len(o.indices) == 7

@pytest.mark.parametrize('bad,kind', [(README.rsplit('-', 1)[0], 'fields'), (README + '-1', 'fields'), (README.replace('0_0_22', '0_22'), 'fields'),
    (README.replace('154&383_386', '154&383&386&1_386'), 'fields'), (README.replace('-37-', '-3x-'), 'digits'), (README.replace('95_113', '95_-'), 'fields'),
    (README.replace('-0_0_22', '-34_0_22'), 'indices'), (README.replace('-0_0_22', '-0_25_22'), 'indices'), (README.replace('_33_16', '_33_35'), 'indices'),
    (README.replace('386&473_177', '786&473_177'), 'corners'), (README.replace('386&473_177&454', '177&454_386&473'), 'corners')])
def test_wrong_names_are_told_apart(bad, kind):
    with pytest.raises(BadName) as e: parse_ccpd(f'{bad}.jpg', (720, 1160))
    assert e.value.kind == kind

def test_bucket_keeps_the_last_character():
    "The predecessor's window was centred on the mean of the corners: it cut the last character of slanted plates off"
    for i in range(300):
        c = drawn(i)[1]
        if np.ptp(c[:, 0]) > 192 or np.ptp(c[:, 1]) > 96: continue
        x0, y0, x1, y1 = reach(c, (720, 1160), 'bucket')
        assert x0 <= c[:, 0].min() and c[:, 0].max() <= x1 and y0 <= c[:, 1].min() and c[:, 1].max() <= y1

def test_no_window_of_208(): assert BUCKETS == ((64, 32), (128, 64), (192, 96))

@pytest.mark.parametrize('at', [(719 - 150, 30), (5, 1159 - 60), (719 - 150, 1159 - 60), (0, 0)])
@pytest.mark.parametrize('how', ['bucket', 'box', 'rectified'])
def test_bounds_are_not_swapped(at, how):
    "A plate beyond x 720 of the height, or beyond y 720, is cut whole; the predecessor compared y with the width"
    c = np.array([(0, 0), (150, 0), (150, 48), (0, 48)]) + at
    img = picture(3)
    img.paste((0, 0, 200), (*at, at[0] + 151, at[1] + 49))
    a = np.asarray(crop(img, c, how)).reshape(-1, 3)
    assert ((a[:, 2] > 150) & (a[:, 0] < 60)).sum() > .85*(150*48 if how != 'rectified' else np.prod(plate_size(c))*.85)

@pytest.mark.parametrize('decoder', ['pillow', pytest.param('simplejpeg', marks=fast)])
@pytest.mark.parametrize('subsampling', [0, 1, 2])
def test_part_equals_whole(tmp_path, decoder, subsampling):
    "To the pixel, at any place, for each way of storing colours; grey pictures too"
    for k, img in enumerate([picture(1), picture(2, (721, 333)), picture(1).convert('L')]):
        f = tmp_path/f'{k}.jpg'
        img.save(f, quality=90, **({} if img.mode == 'L' else dict(subsampling=subsampling)))
        whole, (w, h) = open_image(f), img.size
        for box in ((0, 0, 40, 20), (w - 50, h - 30, w, h), (10, h//2, 200, h//2 + 33), (0, 0, w, h), (3, h - 33, 90, h - 31)):
            part, got = read_part(f, box, decoder)
            assert got == box and part.size == (box[2] - box[0], box[3] - box[1])
            assert np.abs(np.asarray(part, int) - np.asarray(whole.crop(box), int)).max() <= (0 if decoder == 'pillow' else 2)

@pytest.mark.parametrize('decoder', ['pillow', pytest.param('simplejpeg', marks=fast)])
def test_part_that_ends_anywhere(tmp_path, decoder):
    "At each row of two blocks, and at the end"
    for subsampling in (0, 1, 2):
        picture(7, (90, 101)).save(tmp_path/'a.jpg', subsampling=subsampling)
        whole = np.asarray(open_image(tmp_path/'a.jpg'), int)
        for y in (*range(9, 45), 99, 100, 101):
            assert np.abs(np.asarray(read_part(tmp_path/'a.jpg', (5, y - 8, 80, y), decoder)[0], int) - whole[y-8:y, 5:80]).max() <= (0 if decoder == 'pillow' else 2)

@pytest.mark.parametrize('save', [dict(format='jpeg', progressive=True), dict(format='png'), dict(format='jpeg', restart_marker_rows=1), dict(format='webp', lossless=True)])
def test_part_of_any_picture(tmp_path, save):
    img = picture(4, (300, 200))
    img.save(tmp_path/'a.jpg', **save)
    box = 20, 50, 120, 90
    assert np.array_equal(read_part(tmp_path/'a.jpg', box, 'pillow')[0], open_image(tmp_path/'a.jpg').crop(box))

def test_part_of_a_turned_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    img = picture(5, (300, 200))
    img.save(tmp_path/'a.jpg', exif=exif)
    assert np.array_equal(read_part(tmp_path/'a.jpg', (0, 200, 100, 300))[0], open_image(tmp_path/'a.jpg').crop((0, 200, 100, 300)))
    exif[0x0112] = 1
    img.save(tmp_path/'b.jpg', exif=exif)
    assert photos._frame((tmp_path/'b.jpg').read_bytes()) > 0 > photos._frame((tmp_path/'a.jpg').read_bytes())

@pytest.mark.parametrize('n', [0, 1, 10, 300, 700, 5000, 30000])
@pytest.mark.parametrize('decoder', ['pillow', None])
def test_part_of_half_a_picture(tmp_path, n, decoder):
    "A file that ends too early is refused, also if it holds all of the part"
    b = io.BytesIO()
    picture(6).save(b, 'jpeg')
    (tmp_path/'a.jpg').write_bytes(b.getvalue()[:n])
    with pytest.raises(BadImage): read_part(tmp_path/'a.jpg', (0, 0, 20, 20), decoder)

@fast
def test_both_decoders_give_the_same_crops(tmp_path, monkeypatch):
    src = folder(tmp_path/'in', 20)
    crop_folder(src, tmp_path/'fast', n_workers=0)
    monkeypatch.setattr(photos, 'read_part', partial(read_part, decoder='pillow'))
    crop_folder(src, tmp_path/'pillow', n_workers=0)
    for f in files(tmp_path/'pillow'):
        if f.endswith('.jpg'): assert np.abs(np.asarray(open_image(tmp_path/'fast'/f), int) - np.asarray(open_image(tmp_path/'pillow'/f), int)).max() <= 6

def broken(src):
    "Each kind of wrong, among good ones"
    good = sorted(src.glob('*.jpg'))[0]
    bad = dict(fields='a-b', digits=README.replace('37', '3x'), indices=README.replace('-0_0_22', '-34_0_22'), corners=README.replace('386&473_177', '786&473_177'))
    for b in bad.values(): (src/f'{b}.jpg').write_bytes(good.read_bytes())
    (src/f'{README}.jpg').write_bytes(good.read_bytes()[:9000])
    return src

def test_listing_is_find_images(tmp_path):
    "The quick list of a folder has the same names in the same order"
    for n in ('b.jpg', 'a/z.JPG', 'a-b/c.png', 'a/b/c.jpeg', '.hidden.jpg', 'text.txt', 'a.jpg', '皖/x y.jpg'):
        (tmp_path/n).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path/n).write_text('')
    assert photos._listing(tmp_path) == (tmp_path, [o.as_posix() for _, o in find_images(tmp_path)])
    with pytest.raises(FileNotFoundError): photos._listing(tmp_path/'none')

def test_each_kind_is_counted(tmp_path, capsys):
    src = broken(folder(tmp_path/'in', 12))
    (src/f'{sorted(src.glob("0*.jpg"))[-1].stem}.png').write_bytes(b'no')
    df = crop_folder(src, tmp_path/'out', n_workers=0)
    lost = pd.read_csv(tmp_path/'out'/'skipped.csv')
    assert len(df) + len(lost) == 18 and lost.kind.value_counts().to_dict() == dict(fields=1, digits=1, indices=1, corners=1, picture=1, twice=1)
    assert '6 skipped' in capsys.readouterr().out

def test_a_full_disk_is_no_pictures_fault(tmp_path, monkeypatch):
    def full(*args, **kwargs): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(photos, 'save_image', full)
    with pytest.raises(OSError, match='No space'): crop_folder(folder(tmp_path/'in', 3), tmp_path/'out', n_workers=0)

def stopped(src, out, **kwargs):
    "Crop in another process, and kill it and its children once some blocks are done"
    code = f'from plategan.photos import crop_folder\nif __name__ == "__main__": crop_folder({str(src)!r}, {str(out)!r}, **{kwargs!r})'
    env, no = dict(os.environ, PYTHONPATH=str(ROOT)), subprocess.DEVNULL
    p = subprocess.Popen([sys.executable, '-c', code], start_new_session=True, stdout=no, stderr=no, env=env)
    while p.poll() is None and len(list((out/'.rows').glob('*.jsonl')) if (out/'.rows').exists() else ()) < 2: threading.Event().wait(.01)
    os.killpg(p.pid, signal.SIGKILL)
    p.wait()

@pytest.mark.skipif(os.name == 'nt', reason='kills a process group')
@pytest.mark.parametrize('n_workers', [0, 2])
def test_killed_and_resumed(tmp_path, n_workers):
    src = broken(folder(tmp_path/'in', 240))
    crop_folder(src, tmp_path/'smooth', keep=sieve, n_workers=0)
    stopped(src, tmp_path/'killed', n_workers=n_workers)
    assert (tmp_path/'killed'/'.rows').exists() and not (tmp_path/'killed'/'labels.csv').exists()
    with pytest.raises(ValueError, match='another run'): crop_folder(src, tmp_path/'killed', keep=sieve)
    (tmp_path/'killed'/'.1234.half.jpg').write_bytes(b'left by a process that was killed while it wrote')
    crop_folder(src, tmp_path/'killed', n_workers=n_workers)
    crop_folder(src, tmp_path/'plain', n_workers=0)
    assert files(tmp_path/'killed') == files(tmp_path/'plain') != files(tmp_path/'smooth')

def test_finished_is_finished(tmp_path, monkeypatch):
    "A second run of the same does nothing; a lost crop or a new photograph is made up for"
    src = folder(tmp_path/'in', 8)
    df = crop_folder(src, tmp_path/'out')
    before, calls = files(tmp_path/'out'), []
    monkeypatch.setattr(photos, '_crop_file', lambda item, *a, f=photos._crop_file, **kw: calls.append(item) or f(item, *a, **kw))
    assert crop_folder(src, tmp_path/'out').equals(df) and not calls
    (tmp_path/'out'/df.file[2]).unlink()
    crop_folder(src, tmp_path/'out')
    assert files(tmp_path/'out') == before and len(calls) == 8
    folder(src, 9)
    assert len(crop_folder(src, tmp_path/'out')) == 9

@cluster
def test_a_killed_dask_worker_loses_nothing(tmp_path):
    from distributed import Client, LocalCluster
    src = broken(folder(tmp_path/'in', 240))
    crop_folder(src, tmp_path/'plain', keep=sieve, n_workers=0)
    killed = []
    with LocalCluster(2, threads_per_worker=1, dashboard_address=':0', silence_logs=50) as local, Client(local) as client:
        def kill():
            while len(list((tmp_path/'dask').rglob('*.jpg'))) < 60: threading.Event().wait(.01)
            killed.append(local.workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)
        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        crop_folder(src, tmp_path/'dask', keep=sieve, scheduler=client)
        thread.join()
    assert killed and files(tmp_path/'dask') == files(tmp_path/'plain')

def test_no_dask_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(ValueError, match=r'pip install plategan\[cluster\]'): crop_folder(folder(tmp_path/'in', 2), tmp_path/'out', workers=2)

def test_blocks_go_out_a_few_at_a_time():
    "The list of a large set is not laid on the scheduler at once"
    class Future:
        def __init__(self, x): self.x = x
        def result(self): return self.x
    sent = []
    class Client:
        def nthreads(self): return dict(a=1, b=1)
        def submit(self, fn, j, **kw): return sent.append(j) or Future(fn(j))
    class Completed(list):
        def __iter__(self):
            while self: yield self.pop(0)
        update = list.extend
    mod = type(sys)('distributed')
    mod.as_completed, mod.KilledWorker = Completed, type('KilledWorker', (Exception,), {})
    old = sys.modules.get('distributed')
    sys.modules['distributed'] = mod
    try:
        seen = []
        for i, o in enumerate(photos._on_dask(len, ((k, 'x') for k in range(100)), Client())):
            seen.append(o)
            assert len(sent) <= 6 + i + 1
    finally: sys.modules.pop('distributed') if old is None else sys.modules.update(distributed=old)
    assert seen == [2]*100 and len(sent) == 100

def test_splits_of_the_set(tmp_path):
    src = folder(tmp_path/'set'/'ccpd_base', 6).parent
    names = [f'ccpd_base/{p.name}' for p in sorted((src/'ccpd_base').iterdir())]
    (tmp_path/'train.txt').write_text('\n'.join(names[:4] + ['ccpd_base/gone.jpg']) + '\n')
    assert len(read_split(tmp_path/'train.txt')) == 5
    df = crop_folder(src, tmp_path/'out', only=tmp_path/'train.txt')
    assert sorted(df.source) == sorted(names[:4]) and pd.read_csv(tmp_path/'out'/'skipped.csv').kind.tolist() == ['missing']
    with pytest.raises(ValueError, match='another run'): crop_folder(src, tmp_path/'out')

def test_two_plates_in_one_photograph(tmp_path):
    (tmp_path/'in').mkdir()
    picture(1).save(tmp_path/'in'/'a.jpg')
    (tmp_path/'in'/'t.csv').write_text('file,text,x,y,w,h\na.jpg,B 1 A,10,20,100,30\na.jpg,B 2 A,200,400,100,30\nb.jpg,B 3 A,0,0,9,9\n')
    df = crop_folder(tmp_path/'in', tmp_path/'out', table=read_set(tmp_path/'in'/'t.csv', 'csv'))
    assert df.file.tolist() == ['a.jpg', 'a_1.jpg'] and df.text.tolist() == ['B 1 A', 'B 2 A']
    assert pd.read_csv(tmp_path/'out'/'skipped.csv').kind.tolist() == ['missing']

def test_corners_in_any_order():
    for i in range(200):
        c = drawn(i)[1]
        if abs(np.degrees(np.arctan2(*(c[1] - c[0])[::-1]))) > 35: continue
        assert in_order(np.roll(c, i, 0)[::1 if i % 2 else -1]) == c.tolist()

@pytest.mark.parametrize('kind,name,text', [('rodosol', 'a.txt', 'plate: A\ncorners: 1,2 3,4'), ('yolo', 'a.txt', '0 .5 .5 .1'), ('csv', 'a.csv', 'x,y\n1,2\n')])
def test_broken_labels_are_said(tmp_path, kind, name, text):
    picture(1, (64, 32)).save(tmp_path/'a.jpg')
    (tmp_path/name).write_text(text)
    with pytest.raises(ValueError, match='expected'): read_set(tmp_path/name if kind == 'csv' else tmp_path, kind)

def test_no_car_in_two_splits():
    df = pd.DataFrame([dict(file=f'{i}.jpg', text=['AB 12', 'ab-12', ''][i % 3] + str(i//9)*(i % 3 < 2)) for i in range(3000)])
    out = split_by_number(df)
    assert torn(out) == [] and out.split.value_counts(normalize=True)['train'] > .7
    assert torn(df.assign(split=['train', 'test']*1500))
    with pytest.raises(ValueError, match='below 1'): split_by_number(df, .5, .5)

def test_shared_pictures_are_found(tmp_path):
    "Saved again, smaller, darker: found. Other pictures of the same kind: not"
    from plategan.plates.render import render
    def plate(i): return render(type='cn_blue', seed=i, sz=(220, 70)).img
    for part, seeds in dict(train=range(12), test=range(12, 24)).items():
        (tmp_path/part).mkdir()
        for i in seeds: plate(i).save(tmp_path/part/f'x{i}.png')
    check_apart(tmp_path/'train', tmp_path/'test')
    plate(5).resize((96, 32)).point([v*2//3 for v in range(256)]*3).save(tmp_path/'test'/'again.jpg', quality=40)
    o = overlap(tmp_path/'train', tmp_path/'test')
    assert o[['why', 'train', 'test']].to_numpy().tolist() == [['picture', 'x5.png', 'again.jpg']]
    with pytest.raises(ValueError, match='share 1 pictures and 0 numbers'): check_apart(tmp_path/'train', tmp_path/'test')
    assert phash(plate(1)).shape == (256,)

def test_samples_in_data():
    "The scenes that lesson 20 stands on: our own, small, and every name right"
    paths = sorted((ROOT/'data'/'scenes').glob('*.jpg'))
    if not paths: pytest.skip('not in a checkout')
    assert sum(p.stat().st_size for p in paths) < 1e6
    for p in paths: assert parse_ccpd(p, open_image(p).size).name == p.stem

def test_sets_without_torch():
    code = 'import sys, plategan.sets; print([m for m in ("torch", "fastai", "pandas", "matplotlib", "distributed", "joblib") if m in sys.modules])'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == '[]'
