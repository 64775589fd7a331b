"The family: networks of every scale, feature and relativistic losses against numbers made by hand, and presets that do what they say."
import math
from types import SimpleNamespace
from urllib.error import URLError
import numpy as np, pandas as pd, pytest, torch, torchvision
from fastai.vision.all import DataLoaders, TensorImage
from PIL import Image
from torch import nn
from torch.nn import functional as F
from plategan.core import seed_all
from plategan.gan import FixedGANSwitcher, GANLearner
from plategan.losses import ContentLoss, FeatureLoss, crit_loss, feat_loss, gen_loss, vgg_features
from plategan.models import sr
from plategan.models.critic import vgg_critic
from plategan.models.reader import reader
from plategan.models.weights import load_weights, save_weights
from plategan.restore.recipes import PRESETS, Phase, get_preset, preset_critic, preset_gan, preset_gen, preset_loss, preset_net, side_by_side, train_preset

FAMILY = dict(espcn=dict(nf=8), srresnet=dict(nf=8, n_blocks=1), rrdb=dict(nf=8, growth=4))
SZ = (48, 32)
each_net = pytest.mark.parametrize('name', FAMILY)

def drawn(net):
    "`net` with weights that are not zero anywhere"
    for p in net.parameters(): nn.init.normal_(p, std=0.1)
    return net

def build(name, scale, **kwargs): return getattr(sr, name)(scale, **{**FAMILY[name], **kwargs})
def state(m): return {k: v.clone() for k, v in m.state_dict().items()}
def moved(m, before): return any(not torch.equal(v, before[k]) for k, v in m.state_dict().items())

def dls(n=24, bs=4):
    torch.manual_seed(0)
    gt = torch.rand(n, 3, *SZ[::-1])
    pairs = [(TensorImage(F.avg_pool2d(g, 3, 1, 1)), TensorImage(g)) for g in gt]
    return DataLoaders.from_dsets(pairs, pairs[:4], bs=bs, device='cpu', num_workers=0)

@each_net
@pytest.mark.parametrize('scale', [1, 2, 4, 8])
def test_size(name, scale):
    net = drawn(build(name, scale)).eval()
    for h, w in ((1, 1), (7, 13), (16, 48), (21, 63)): assert net(torch.rand(2, 3, h, w)).shape == (2, 3, h*scale, w*scale)

@each_net
@pytest.mark.parametrize('scale', [1, 4])
def test_starts_as_the_enlarged_input(name, scale):
    x = torch.rand(1, 3, 9, 14)
    want = x if scale == 1 else F.interpolate(x, scale_factor=scale, mode='bicubic')
    assert torch.allclose(build(name, scale)(x), want, atol=1e-6)
    assert not torch.allclose(build(name, scale, skip=False)(x), want, atol=1e-3), 'as in the paper it must start elsewhere'

@each_net
def test_a_step_reaches_every_weight(name):
    "Nothing is left out of the sum: after one step from the zero start every weight has a gradient"
    seed_all(0)
    net, x, gt = build(name, 2), torch.rand(2, 3, 8, 12), torch.rand(2, 3, 16, 24)
    opt = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(2):
        opt.zero_grad()
        F.mse_loss(net(x), gt).backward()
        opt.step()
    dead = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert [n for n in dead if not n.endswith('bias')] == [] # a bias before a batch norm has none

@each_net
def test_weights_round_trip(name, tmp_path):
    net, x = drawn(build(name, 4)), torch.rand(1, 3, 11, 17)
    save_weights(net, tmp_path/name, sz=(68, 44))
    twin = load_weights(tmp_path/name)
    assert torch.equal(twin(x), net.eval()(x)) and twin.args == net.args and twin.args['scale'] == 4

@pytest.mark.parametrize('scale', [0, 3, 16, '4'])
def test_scales_that_cannot_be(scale):
    with pytest.raises(ValueError, match='expected 1, 2, 4 or 8'): sr.espcn(scale)

def test_rrdb_is_the_papers_size():
    "16.7 million numbers in the paper's own code, with the convolutions that our shuffles replace a little less than here"
    n = sum(p.numel() for p in sr.rrdb(4, 64, 23, 32).parameters())
    trunk = 23*3*(sum(9*(64+32*i)*32+32 for i in range(4)) + 9*(64+128)*64+64)
    assert n == trunk + (27*64+64) + (9*64*64+64) + 2*(9*64*256+256) + (9*64*64+64) + (9*64*3+3)

def test_dense_block_by_hand():
    block, x = sr.DenseBlock(2, 1), torch.rand(1, 2, 4, 4)
    for c in block.convs:
        nn.init.zeros_(c.weight)
        nn.init.constant_(c.bias, 0.5)
    assert torch.allclose(block(x), x + 0.1, atol=1e-6)

def test_vgg_critic():
    seed_all(0)
    critic = vgg_critic(4, n_dense=8, grid=(3, 2)).eval()
    for h, w in ((32, 48), (33, 47), (5, 9)): assert critic(torch.rand(2, 3, h, w)).shape == (2, 1)
    assert preset_critic('srgan', (50, 33)).args['grid'] == (4, 3)

def test_no_vgg(monkeypatch):
    "Without its weights: one warning, and no term"
    def fail(*args, **kwargs): raise URLError('no route')
    monkeypatch.setattr(torchvision.models, 'vgg19', fail)
    with pytest.warns(UserWarning, match='no VGG features') as said: assert feat_loss('conv5_4') is None
    assert len(said) == 1
    with pytest.warns(UserWarning): loss = preset_loss(PRESETS['esrgan'].phases[1])
    a, b = torch.rand(2, 1, 3, 16, 16)
    assert loss.feat is None and torch.isclose(loss(a, b), 1.01*F.l1_loss(a, b)), 'the pixels take over the weight'

def test_vgg(monkeypatch):
    "With weights: the layer before its ReLU, on normalised pictures, and only the prediction learns"
    net = SimpleNamespace(features=torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs['E']))
    asked = []
    monkeypatch.setattr(torchvision.models, 'vgg19', lambda weights, **kwargs: asked.append(weights) or net)
    loss, (a, b) = feat_loss('conv2_2', 'mse'), torch.rand(2, 1, 3, 16, 24)
    mean, std = (torch.tensor(o).view(3, 1, 1) for o in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    first = net.features[:8]
    for m in first:
        if isinstance(m, nn.ReLU): m.inplace = False
    want = F.mse_loss(first((a-mean)/std), first((b-mean)/std))
    assert torch.isclose(loss(a, b), want, rtol=1e-4) and (first(a) < 0).any()
    assert asked == [torchvision.models.VGG19_Weights.IMAGENET1K_V1]
    a.requires_grad_()
    loss.train()
    loss(a, b).backward()
    assert a.grad.abs().sum() > 0 and not loss.features.training and not any(p.requires_grad for p in loss.parameters())
    assert vgg_features('relu5_4')(b).min() >= 0 > vgg_features('conv5_4')(b).min()
    with pytest.raises(ValueError, match='expected one of'): vgg_features('conv9_9')

def test_reader_features():
    "A reader's: trained weights and statistics stay, light costs nothing, another text does"
    seed_all(0)
    own = reader('0123456789', nf=(4, 8, 8, 8), sz=(72, 24)).eval()
    loss, before = feat_loss(own), state(own)
    x = F.interpolate(torch.rand(2, 1, 6, 18), scale_factor=4).repeat(1, 3, 1, 1)
    loss.train()
    light, other = loss(0.8*x+0.1, x), loss(x.flip(-1), x)
    assert loss(x, x) == 0 and light < other/5
    assert not moved(own, before) and not moved(loss.features.body, {k[5:]: v for k, v in before.items() if k.startswith('body.')})
    feats = FeatureLoss(nn.AvgPool2d(2))
    assert torch.isclose(ContentLoss('mse', 2., feats, 3.)(x+0.1, x), torch.tensor(2*0.01 + 3*0.1), rtol=1e-4)

def test_relativistic_by_hand():
    def softplus(v): return math.log(1+math.exp(v))
    r, f = torch.tensor([[3.], [1.]]), torch.tensor([[0.], [-2.]]) # means 2 and -1
    crit = ((softplus(-4)+softplus(-2))/2 + (softplus(-2)+softplus(-4))/2)/2
    gen = ((softplus(2)+softplus(4))/2 + (softplus(4)+softplus(2))/2)/2
    assert crit_loss(r, f, 'ragan').item() == pytest.approx(crit, rel=1e-5)
    assert gen_loss(f, 'ragan', r).item() == pytest.approx(gen, rel=1e-5)
    assert crit_loss(r-7, f-7, 'ragan').item() == pytest.approx(crit, rel=1e-4)
    smooth = crit + 0.1*3/2 # soft labels add smooth * logit; the mean difference of the real half is 3
    assert crit_loss(r, f, 'ragan', smooth=0.1).item() == pytest.approx(smooth, rel=1e-5)
    with pytest.raises(ValueError, match='pass real_pred'): gen_loss(f, 'ragan')

def test_relativistic_turns():
    "The critic sees the real pictures in the generator's turn, learns nothing there, and its accuracy is that of the comparison"
    seed_all(0)
    critic = nn.Sequential(nn.Conv2d(3, 1, 4, 4), nn.Flatten(), nn.Linear(96, 1))
    data, gen = dls(4), sr.espcn(1, 8)
    learn = GANLearner(data, gen, critic, nn.L1Loss(), adversarial=dict(kind='ragan', switcher=FixedGANSwitcher(gen_first=True), weights_gen=(1., 0.)))
    before, seen, real = state(critic), [], data.one_batch()[1]
    critic.register_forward_pre_hook(lambda m, x: seen.append(x[0].detach().clone()) if gen.training else None)
    with learn.no_logging(), learn.no_bar(): learn.fit(1, 1e-3)
    assert not moved(critic, before), 'one batch, the generator\'s'
    assert len(seen) == 2 and any(torch.equal(a.sort(0)[0], real.sort(0)[0]) for a in seen)
    with torch.no_grad(): f, r = (torch.cat([critic(o) for o in ims]) for ims in zip(*((gen.eval()(a), b) for a, b in data.valid)))
    got = dict(zip(learn.recorder.metric_names[1:], learn.recorder.values[-1]))
    assert got['crit_acc'] == pytest.approx(((r > f.mean()).float().mean() + (f <= r.mean()).float().mean()).item()/2)
    assert got['gen_loss'] == pytest.approx(gen_loss(f, 'ragan', r).item(), rel=1e-4)

@pytest.mark.parametrize('name', PRESETS)
def test_a_preset_trains(name):
    "The generator changes; the critic steps as often as the preset says"
    seed_all(0)
    p, data = get_preset(name), dls()
    small = FAMILY[p.arch]
    own = reader('0123456789', nf=(4, 8, 8, 8), sz=(72, 24)).eval()
    learn = preset_gen(name, data, features=own, arch_args=small)
    before = state(learn.model)
    with learn.no_logging(), learn.no_bar(): learn.fit(1, 1e-3)
    assert moved(learn.model, before) and type(learn.model).__name__ == 'Enlarge' and learn.model.arch == p.arch
    if len(p.phases) == 1:
        with pytest.raises(ValueError, match='one phase'): preset_gan(name, learn, preset_critic(name, SZ))
        return
    gan = preset_gan(name, learn, preset_critic(name, SZ, nf=2, n_dense=4), own)
    before = state(gan.model), state(gan.critic)
    with gan.no_logging(), gan.no_bar(): gan.fit(2, 1e-3) # 12 batches
    n, (c, g) = [w for w, _ in gan.adversarial.losses].count('crit'), p.phases[1].turns
    assert n == 12*c//(c+g) == dict(srgan=6, esrgan=6, license_sr=3)[name]
    assert moved(gan.model, before[0]) and moved(gan.critic, before[1])
    assert gan.adversarial.kind == p.phases[1].adv and gan.adversarial.weights_gen[0] == p.phases[1].adv_wgt
    assert (gan.loss_func.pix_wgt, gan.loss_func.feat_wgt, gan.loss_func.kind) == (p.phases[1].pix_wgt, p.phases[1].feat_wgt, p.phases[1].pix)

@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    "Ten pairs of stripes with numbers"
    d, rng, rows = tmp_path_factory.mktemp('pairs'), np.random.default_rng(0), []
    for part in ('lr', 'hr'): (d/part).mkdir()
    for i in range(10):
        im = Image.fromarray(rng.integers(0, 255, (4, 12, 3), dtype=np.uint8)).resize(SZ)
        im.save(d/'hr'/f'{i}.png')
        im.resize((12, 8)).save(d/'lr'/f'{i}.png')
        rows.append(dict(file=f'{i}.png', text=f'A{i}'))
    pd.DataFrame(rows).to_csv(d/'hr'/'labels.csv', index=False)
    return d

ARGS = dict(features='none', sz=SZ, bs=4, arch_args=dict(nf=8), crit_args=dict(nf=2, n_dense=4), epochs=(1, 1, 1), device='cpu')

def test_train_preset_goes_on(folders, tmp_path, monkeypatch):
    "Interrupted in its last stage and called again, from another folder: the same weights as without, and what stands is not done again"
    monkeypatch.chdir(folders)
    straight = train_preset('srgan', 'lr', 'hr', tmp_path/'straight', **ARGS)
    assert {f.stem for f in (tmp_path/'straight').glob('*.safetensors')} == {'generator', 'critic', 'gan', 'gan-critic'}
    fit = GANLearner.fit_one_cycle
    def stop(*args, **kwargs): raise KeyboardInterrupt
    monkeypatch.setattr(GANLearner, 'fit_one_cycle', stop)
    with pytest.raises(KeyboardInterrupt): train_preset('srgan', 'lr', 'hr', tmp_path/'broken', **ARGS)
    when = (tmp_path/'broken'/'generator.safetensors').stat().st_mtime_ns
    monkeypatch.setattr(GANLearner, 'fit_one_cycle', fit)
    broken = train_preset('srgan', folders/'lr', folders/'hr', tmp_path/'broken', **ARGS)
    assert (tmp_path/'broken'/'generator.safetensors').stat().st_mtime_ns == when
    a, b = load_weights(straight).state_dict(), load_weights(broken).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(ValueError, match='other settings'): train_preset('esrgan', folders/'lr', folders/'hr', tmp_path/'broken', **ARGS)

def test_train_preset_refuses(folders, tmp_path):
    for kwargs, word in ((dict(features='alexnet'), 'expected vgg, reader or none'), (dict(epochs=(0, 1, 1)), 'three counts'), (dict(epochs=(1, 1)), 'three counts')):
        with pytest.raises(ValueError, match=word): train_preset('espcn', folders/'lr', folders/'hr', tmp_path/'no', **kwargs)
    with pytest.raises(ValueError, match='expected one of espcn'): train_preset('edsr', folders/'lr', folders/'hr', tmp_path/'no')
    assert not (tmp_path/'no').exists()

def test_start_skips_the_first_phase(folders, tmp_path):
    own = save_weights(drawn(preset_net('srgan', nf=8)), tmp_path/'own')
    out = train_preset('srgan', folders/'lr', folders/'hr', tmp_path/'out', **{**ARGS, 'epochs': (1, 0, 1), 'rates': (1., 1., 1e-9)}, start=own)
    assert out.name == 'gan' and not (tmp_path/'out'/'critic.json').exists()
    a, b = load_weights(own).state_dict(), load_weights(out).state_dict()
    assert all(torch.allclose(a[k], b[k], atol=1e-6) for k in a if 'running' not in k and 'num_batches' not in k)

def test_side_by_side(folders):
    "Do nothing first, the target last, and a reader that knows what it reads"
    class Knows:
        n = 0
        def read(self, ims):
            self.n += 1
            return [f'A{i}' if i < 2*self.n else '' for i in range(len(ims))], [1.]*len(ims)
    t = side_by_side({'same': nn.Identity()}, folders/'lr', folders/'hr', SZ, Knows())
    assert list(t.index) == ['do nothing', 'same', 'target'] and t['read'].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert t.psnr['do nothing'] == t.psnr['same'] < 50 <= t.psnr['target'] and t.ssim['target'] == pytest.approx(1, abs=1e-4)

def test_of_your_own():
    p = get_preset('srgan')
    own = type(p)('ours', 'espcn', {}, (Phase(), Phase('l1', adv='hinge', adv_wgt=0.1, turns=(2, 1))))
    learn = preset_gen(own, dls(), arch_args=dict(nf=8))
    gan = preset_gan(own, learn, preset_critic(own, SZ, nf=2, n_dense=4))
    with gan.no_logging(), gan.no_bar(): gan.fit(1, 1e-3)
    assert [w for w, _ in gan.adversarial.losses] == ['crit', 'crit', 'gen']*2
