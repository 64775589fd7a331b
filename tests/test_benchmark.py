"The benchmark and its parts on things whose measure is known."
import warnings
from functools import partial
import numpy as np, pandas as pd, pytest, torch
from PIL import Image
from plategan import metrics
from plategan.benchmark import as_table, benchmark, from_csv, mcnemar, measure, nearest_plate, random_plate, readings, tabulate
from plategan.cli import main
from plategan.conditions import CONDITIONS
from plategan.core import rng
from plategan.plates.render import render_folder
from plategan.plates.spec import check_number
from plategan.plates.warp import as_crop

@pytest.fixture(scope='module')
def crops(tmp_path_factory):
    "Two folders of crops that share nothing"
    out = tmp_path_factory.mktemp('crops')
    for name, seed in ('a', 1), ('b', 2): render_folder(out/name, 12, 'cn_blue', view=partial(as_crop, sz=(96, 32), strength=.4), sz=(226, 70), seed=seed)
    return out

def knows(table):
    "A reader that knows each clean picture by its pixels, and refuses all others"
    def read(imgs):
        texts = [table.get(o.tobytes(), '') for o in imgs]
        return texts, [float(bool(t)) for t in texts]
    return read

def known(crops):
    "Picture -> number of a folder"
    df = pd.read_csv(crops/'labels.csv', dtype=str)
    return {Image.open(crops/f).convert('RGB').tobytes(): t for f, t in zip(df.file, df.text)}, df

def test_known_restorers_give_known_numbers(crops):
    "Perfect, nothing, shuffled, harmful"
    table, df = known(crops/'a')
    imgs = [Image.open(crops/'a'/f).convert('RGB') for f in df.file]
    def perfect(ims): return list(imgs)
    def shuffled(ims): return imgs[1:]+imgs[:1]
    def harmful(ims): return [o.point(lambda v: 255-v) if i < 3 else o for i, o in enumerate(ims)]
    conds = {k: CONDITIONS[k] for k in ('C0', 'C9')}
    restorers, reader = dict(perfect=perfect, shuffled=shuffled, harmful=harmful), dict(knows=knows(table))
    lines, pics = measure(restorers, imgs, list(df.file), list(df.text), reader, conds, show=[0, 1])
    t = tabulate(lines).loc['knows']
    assert t.loc[('C9', 'perfect'), 'exact'] == 1 and t.loc[('C9', 'perfect'), 'recovery'] == 1 and t.loc[('C9', 'perfect'), 'gain'] == 1
    assert t.loc[('C9', 'do nothing'), 'exact'] == 0 and t.loc[('C9', 'do nothing'), 'gain'] == 0 and t.loc[('C9', 'do nothing'), 'sure_wrong'] == 0
    assert t.loc[('C0', 'do nothing'), 'exact'] == 1 and t.loc[('C0', 'do nothing'), 'damage'] == 0 and t.loc[('C0', 'do nothing'), 'psnr'] == 100
    assert t.loc[('C0', 'shuffled'), 'exact'] == 0 and t.loc[('C0', 'shuffled'), 'sure_wrong'] == 1
    assert t.loc[('C0', 'harmful'), 'damage'] == 3/12
    assert len(pics['C9']) == 2 and len(pics['C9'][0]) == 6

def test_cheats(crops):
    table, df = known(crops/'a')
    imgs = [Image.open(crops/'a'/f).convert('RGB') for f in df.file]
    assert nearest_plate(crops/'a')(imgs)[0] == list(df.text), 'a test plate in the training set is found'
    assert not set(nearest_plate(crops/'b')(imgs)[0]) & set(df.text)
    texts, confs = random_plate('cn_blue')(imgs)
    assert all(check_number('cn_blue', o) == o for o in texts) and len(set(texts)) == 12 and not set(texts) & set(df.text)

def test_the_same_seed_gives_the_same_table_twice_and_files(crops, tmp_path):
    def blur(imgs): return [o.reduce(2).resize(o.size) for o in imgs]
    table, _ = known(crops/'a')
    a, b = (benchmark(crops/'a', dict(blur=blur), dict(knows=knows(table)), tmp_path/n, ['C0', 'C5'], train=crops/'b') for n in 'ab')
    assert a.drop(columns='ms').equals(b.drop(columns='ms'))
    for f in ('table.md', 'readings.csv', 'sheet.png', 'failures.png'): assert (tmp_path/'a'/f).read_bytes() == (tmp_path/'b'/f).read_bytes(), f
    assert {'a random plate (cheat)', 'the nearest training plate (cheat)'} <= set(a.index.get_level_values('method'))
    assert 'do nothing' in as_table(a) and 'C5' in as_table(a)
    assert set(pd.read_csv(tmp_path/'a'/'readings.csv').file) == set(a.attrs['lines'].file)

def test_shared_plates_are_not_measured(crops):
    with pytest.raises(ValueError, match='share'): benchmark(crops/'a', {}, dict(r=knows({})), conditions=['C0'], train=crops/'a')

def test_readings_of_another_program(crops, tmp_path):
    table, df = known(crops/'a')
    df.assign(confidence=.8)[['file', 'text', 'confidence']].head(9).to_csv(tmp_path/'other.csv', index=False)
    t = benchmark(crops/'a', {}, dict(r=knows(table)), conditions=['C7'], answerers=dict(other=from_csv(tmp_path/'other.csv')))
    assert t.loc[('itself', 'C7', 'other'), 'exact'] == 9/12 and t.loc[('itself', 'C7', 'other'), 'sure_wrong'] == 0
    (tmp_path/'bad.csv').write_text('name,text\na,b\n')
    with pytest.raises(ValueError, match='file is missing'): from_csv(tmp_path/'bad.csv')

def test_a_restorer_that_loses_pictures_is_told(crops):
    with pytest.raises(ValueError, match='one for each'): benchmark(crops/'a', dict(lossy=lambda o: o[1:]), dict(r=knows({})), conditions=['C0'])

def test_mcnemar_against_counting():
    "The share of coin tosses at least as one-sided, counted by drawing"
    gen = rng(3)
    for n, k in (9, 1), (20, 6), (36, 10):
        a, b = np.repeat([True, False], [k, n-k]), np.repeat([False, True], [k, n-k])
        tosses = gen.binomial(n, .5, 200_000)
        assert abs(mcnemar(a, b)-np.mean(np.abs(tosses-n/2) >= abs(k-n/2))) < .01
    with pytest.raises(ValueError, match='the same ones'): mcnemar([True], [True, False])

def test_readings_ignore_what_parts_the_groups():
    r = readings(['b 1234 abc', ''], [.99, 0.], ['B1234ABC', 'B 1 A'])
    assert list(r.right) == [True, False] and list(r.chars) == [8, 0] and not r.sure_wrong.any()

def test_lpips_with_and_without_weights(monkeypatch):
    from torchmetrics.functional.image import lpips
    x, net = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)), lpips._LPIPS
    metrics._lpips_net.cache_clear()
    monkeypatch.setattr(lpips, '_LPIPS', lambda **kw: net(pretrained=True, net='alex', pnet_rand=True))
    d = metrics.lpips_each(x, x.flip(0))
    assert d.shape == (2,) and (d > 0).all() and metrics.lpips_each(x, x).abs().max() < 1e-6
    def gone(**kw): raise OSError('no way out')
    metrics._lpips_net.cache_clear()
    monkeypatch.setattr(lpips, '_LPIPS', gone)
    with pytest.warns(UserWarning, match='no LPIPS.*no way out'): assert metrics.lpips_each(x, x) is None
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert metrics.lpips_each(x, x) is None, 'said once'
    metrics._lpips_net.cache_clear()

def test_command(crops, tmp_path, capsys):
    assert main(['benchmark', str(crops/'a'), str(tmp_path/'out'), '--conditions', 'C0', 'C7', '--count', '4', '--device', 'cpu']) == 0
    out = capsys.readouterr().out
    assert 'do nothing' in out and {'table.md', 'table.csv', 'readings.csv', 'chart.png', 'sheet.png'} <= {p.name for p in (tmp_path/'out').iterdir()}
    assert main(['benchmark', str(crops/'a'), str(tmp_path/'o2'), '--conditions', 'C17']) == 2
