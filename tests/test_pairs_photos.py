"Pairs and photographs where a lesson can't show it: broken folders, clashes, two processes, real scenes if they are there"
import os, subprocess, sys
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image
from plategan.core import find_images, open_image
from plategan.crappify import RECIPES, crappify_folder
from plategan.photos import ccpd_name, crop_folder, labelled_folder, parse_ccpd

REAL = Path(os.environ.get('PLATEGAN_REAL', '/nowhere'))/'ccpd_scenes'
ROOT = Path(__file__).resolve().parent.parent

def picture(i, sz=(96, 32)): return Image.fromarray(np.random.default_rng(i).integers(0, 256, (sz[1], sz[0], 3), dtype=np.uint8))

def files(root): return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob('*')) if p.is_file()}

@pytest.fixture
def folder(tmp_path):
    "Names with blanks, Chinese characters and &; the same name in two folders; another format; a text file and half a JPEG"
    src = tmp_path/'hr'
    for i, n in enumerate(['a.jpg', 'sub/a.jpg', '皖A12345.jpg', 'with blank & more.jpeg', 'b.png', 'gray.bmp']):
        (src/n).parent.mkdir(parents=True, exist_ok=True)
        (picture(i).convert('L') if 'gray' in n else picture(i)).save(src/n)
    (src/'text.jpg').write_text('not a picture')
    (src/'half.jpg').write_bytes((src/'a.jpg').read_bytes()[:900])
    return src

@pytest.mark.parametrize('recipe', list(RECIPES))
def test_any_number_of_processes(folder, tmp_path, recipe):
    for k in (0, 2): assert len(crappify_folder(folder, tmp_path/str(k), recipe, n_workers=k)) == 6
    assert files(tmp_path/'0') == files(tmp_path/'2')

def test_broken_ones_cost_only_themselves(folder, tmp_path, capsys):
    before = files(folder)
    df = crappify_folder(folder, tmp_path/'lr')
    said = capsys.readouterr().out
    assert 'text.jpg' in said and 'half.jpg' in said and '6 of 8, 2 skipped' in said
    assert set(df.file) == {'a.jpg', 'sub/a.jpg', '皖A12345.jpg', 'with blank & more.jpeg', 'b.jpg', 'gray.jpg'}
    assert {p.relative_to(tmp_path/'lr').as_posix() for p, _ in find_images(tmp_path/'lr')} == set(df.file)
    assert set(pd.read_csv(tmp_path/'lr'/'crappify.csv').file) == set(df.file)
    assert files(folder) == before

def test_order_and_neighbours_change_nothing(folder, tmp_path):
    crappify_folder(folder, tmp_path/'all')
    for f in ('sub/a.jpg', 'half.jpg', 'a.jpg'): (folder/f).unlink()
    crappify_folder(folder, tmp_path/'few')
    assert (tmp_path/'all'/'b.jpg').read_bytes() == (tmp_path/'few'/'b.jpg').read_bytes()

def test_two_pictures_for_one_name(tmp_path, capsys):
    for i, n in enumerate(['a.jpg', 'a.png']): picture(i).save(tmp_path/n)
    df = crappify_folder(tmp_path, tmp_path.parent/f'{tmp_path.name}-lr')
    assert df.source.tolist() == ['a.jpg'] and 'rename one' in capsys.readouterr().out

def test_only_broken(tmp_path):
    (tmp_path/'hr').mkdir()
    (tmp_path/'hr'/'a.jpg').write_text('no')
    with pytest.raises(ValueError, match='none of the 1 pictures'): crappify_folder(tmp_path/'hr', tmp_path/'lr')
    with pytest.raises(ValueError, match='no plate could be cut out'): crop_folder(tmp_path/'hr', tmp_path/'crops')
    assert not (tmp_path/'lr').exists() or not list((tmp_path/'lr').iterdir())

def test_exif_turned_photograph(tmp_path):
    "A photograph stored on its side is cut where it is seen upright"
    im = Image.new('RGB', (720, 1160), (90, 90, 90))
    im.paste(Image.new('RGB', (220, 70), (0, 0, 200)), (100, 300))
    name = ccpd_name('皖A12345', [(100, 300), (320, 300), (320, 370), (100, 370)])
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path/'in').mkdir()
    im.transpose(Image.ROTATE_90).save(tmp_path/'in'/f'{name}.jpg', exif=exif, quality=95)
    df = crop_folder(tmp_path/'in', tmp_path/'out', margin=0.)
    a = np.asarray(open_image(tmp_path/'out'/df.file[0])).reshape(-1, 3).mean(0)
    assert a[2] > 170 and a[0] < 40

def test_crops_by_two_processes_and_labels(tmp_path):
    (tmp_path/'in').mkdir()
    for i in range(6):
        x = 60 + 40*i
        picture(i, (720, 1160)).save(tmp_path/'in'/f'{ccpd_name("皖A1234" + str(i), [(x, 300), (x + 180, 310), (x + 175, 370), (x - 5, 360)])}.jpg')
    for k in (0, 2): crop_folder(tmp_path/'in', tmp_path/str(k), n_workers=k)
    assert files(tmp_path/'0') == files(tmp_path/'2')
    got = labelled_folder(tmp_path/'0')
    assert sorted(got.text) == [f'皖A1234{i}' for i in range(6)]
    (tmp_path/'0'/got.file[0]).unlink()
    assert len(labelled_folder(tmp_path/'0')) == 5

def test_no_torch_and_quick():
    "Rooms below 22 start without torch, fastai or pandas"
    code = 'import sys, plategan.photos, plategan.crappify; print([m for m in ("torch", "fastai", "pandas", "matplotlib") if m in sys.modules])'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == '[]'

@pytest.mark.skipif(not REAL.exists(), reason='no real CCPD scenes (set PLATEGAN_REAL to the folder that holds ccpd_scenes)')
def test_real_scenes(tmp_path):
    items = find_images(REAL)
    df = crop_folder(REAL, tmp_path, n_workers=0)
    assert len(df) == len(items) == 12
    for p, _ in items: assert parse_ccpd(p, (720, 1160)).name == p.stem
    assert set(df.text.str.len()) == {7, 8} and (df.width/df.height).between(2.5, 4).all()
