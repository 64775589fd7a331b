"Exports: what other people's programs make of them."
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image
from plategan.export import FORMATS, PARTS, export, part_of, read_labels
from plategan.plates.render import render_folder
from plategan.plates.warp import as_crop

@pytest.fixture(scope='module')
def src(tmp_path_factory):
    "Thirty plates of all countries, seen as crops"
    out = tmp_path_factory.mktemp('src')/'plates'
    render_folder(out, 30, view=partial(as_crop, sz=(192, 64)), seed=7)
    return out

def test_pandas_reads_the_table(src):
    df = pd.read_csv(src/'labels.csv')
    assert {'file', 'text', 'type', 'country', 'region', 'seed', 'corners', 'width', 'height'} <= set(df)
    assert len(df) == 30 and all((src/f).exists() for f in df.file)
    lines = pd.read_json(src/'labels.jsonl', lines=True)
    assert list(lines.text) == list(df.text) and all(len(b) for b in lines.boxes)

def test_coco_loads_in_pycocotools(src, tmp_path):
    coco = pytest.importorskip('pycocotools.coco')
    export(src, tmp_path/'coco', 'coco', shares=(.7, .3))
    n = 0
    for f in sorted((tmp_path/'coco').glob('*.json')):
        o = coco.COCO(str(f))
        names = {c['id']: c['name'] for c in o.loadCats(o.getCatIds())}
        for im in o.loadImgs(o.getImgIds()):
            assert Image.open(tmp_path/'coco'/im['file_name']).size == (im['width'], im['height'])
            anns = o.loadAnns(o.getAnnIds(im['id']))
            assert [names[a['category_id']] for a in anns][0] == 'plate'
            assert ''.join(names[a['category_id']] for a in anns[1:]) == im['text'].translate({ord(c): None for c in ' -·'})
            assert o.annToMask(anns[1]).sum() > 0 and anns[0]['num_keypoints'] == 4
            n += 1
    assert n == 30

def test_yolo_loads_in_supervision(src, tmp_path):
    sv = pytest.importorskip('supervision')
    out = tmp_path/'yolo'
    df = export(src, out, 'yolo')
    ds = sv.DetectionDataset.from_yolo(str(out/'images/train'), str(out/'labels/train'), str(out/'data.yaml'))
    rows = {r['file']: r for r in read_labels(src)}
    assert len(ds) == len(df) == 30
    for path, _, det in ds:
        r = rows[Path(path).name]
        assert [ds.classes[i] for i in det.class_id] == [c for c, *_ in r['boxes']]
        assert np.allclose(det.xyxy, [b for _, *b in r['boxes']], atol=.05)

def test_yolo_corners(src, tmp_path):
    out = tmp_path/'yolo'
    df = export(src, out, 'yolo_corners')
    rows = {r['file']: r for r in read_labels(src)}
    for f in df.file:
        cls, x, y, w, h, *pts = map(float, (out/f.replace('images', 'labels', 1)).with_suffix('.txt').read_text().split())
        p = np.array(pts).reshape(4, 3)
        assert cls == 0 and np.allclose(p[:, :2]*(192, 64), rows[Path(f).name]['corners'], atol=.01) and set(p[:, 2]) <= {1., 2.}

@pytest.mark.parametrize('fmt', sorted(FORMATS))
def test_the_whole_number_is_in_every_format(src, tmp_path, fmt):
    "With its region; the files are pictures; the source is as it was"
    before = {p.name: p.stat().st_mtime_ns for p in src.iterdir()}
    df = export(src, tmp_path/'out', fmt)
    texts = {r['text'] for r in read_labels(src)}
    assert set(df.text) < texts if fmt == 'ccpd' else set(df.text) == texts
    for f in df.file: Image.open(tmp_path/'out'/f).verify()
    assert before == {p.name: p.stat().st_mtime_ns for p in src.iterdir()}
    if fmt == 'ocr': assert {l.split('\t')[1] for l in (tmp_path/'out/labels.txt').read_text().splitlines()} == set(df.text)
    if fmt == 'folders': assert all(Path(f).stem == f'{t.replace(" ", "")}__{k}' and Path(f).parent.name == k for f, t, k in zip(df.file, df.text, df.type))
    if fmt == 'spaced': assert all(f == f'{t} __{i}.png' for i, (f, t) in enumerate(zip(df.file, df.text)))

def test_equal_names_do_not_overwrite(tmp_path):
    render_folder(tmp_path/'a', 5, 'cn_blue', number='皖A12345', sz=(220, 70))
    df = export(tmp_path/'a', tmp_path/'b', 'folders')
    assert df.file.nunique() == 5 and len(list((tmp_path/'b').rglob('*.jpg'))) == 5

def test_parts_share_no_number(src, tmp_path):
    df = export(src, tmp_path/'ocr', 'ocr', shares=(.5, .25, .25))
    assert df.groupby('text').part.nunique().max() == 1 and set(df.part) <= set(PARTS)
    assert all(part_of(t, (.5, .25, .25)) == p for t, p in zip(df.text, df.part))

def test_bad_requests(src, tmp_path):
    with pytest.raises(ValueError, match='there are ocr'): export(src, tmp_path/'x', 'voc')
    with pytest.raises(ValueError, match='beside it'): export(src, src/'sub', 'ocr')
    with pytest.raises(FileNotFoundError, match='plategan render'): export(tmp_path, tmp_path.parent/'x', 'ocr')
    render_folder(tmp_path/'id', 2, 'id_white', sz=(220, 70))
    with pytest.raises(ValueError, match='none of the 2'): export(tmp_path/'id', tmp_path/'x', 'ccpd')
