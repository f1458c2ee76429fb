# Drone over an orchard: from a 4-channel image, segment soil / grass / tree crown and estimate the canopy's height.
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.set_num_threads(1)
torch.manual_seed(8)

SIZE = 32
CLASSES = ("soil", "grass", "crown")


# ---------------------------------------------------------------- data
def render(n):
    yy, xx = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    masks = torch.zeros(n, SIZE, SIZE, dtype=torch.long)
    height = torch.zeros(n, SIZE, SIZE)
    for i in range(n):
        slope = torch.randn(2) * 0.15
        masks[i][(yy - 16) * slope[0] + (xx - 16) * slope[1] + torch.randn(1) > 0] = 1
        height[i][masks[i] == 1] = 12.0 + 5 * torch.randn(1).item()
        for _ in range(int(torch.randint(2, 5, (1,)))):
            cy, cx = torch.randint(3, SIZE - 3, (2,)).tolist()
            r = 2.5 + 2.5 * torch.rand(1).item()
            d2 = (yy - cy) ** 2 + (xx - cx) ** 2
            tree = d2 < r * r
            masks[i][tree] = 2
            height[i][tree] = (90 * r * (1 - 0.5 * d2 / (r * r)))[tree]
    colour = torch.tensor([[0.45, 0.36, 0.28, 0.30], [0.32, 0.44, 0.24, 0.52], [0.22, 0.40, 0.18, 0.60]])
    img = colour[masks].permute(0, 3, 1, 2)
    light = 1 + 0.15 * torch.randn(n, 1, 1, 1)
    img = img * light + 0.13 * torch.randn(n, 4, SIZE, SIZE)
    return img, masks, height  # height in cm


img, masks, height = render(700)
data = TensorDataset(img, masks, height)
train_set, val_set, test_set = random_split(data, [450, 100, 150])
tr = torch.tensor(train_set.indices)
IMG_MEAN, IMG_STD = img[tr].mean((0, 2, 3), keepdim=True), img[tr].std((0, 2, 3), keepdim=True)
H_MEAN, H_STD = height[tr].mean(), height[tr].std()
train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
val_loader = DataLoader(val_set, batch_size=50)
test_loader = DataLoader(test_set, batch_size=50)


# ---------------------------------------------------------------- model
def double_conv(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True),
                         nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self, base=8):
        super().__init__()
        self.down1 = double_conv(4, base)
        self.down2 = double_conv(base, 2 * base)
        self.up = nn.ConvTranspose2d(2 * base, base, 2, stride=2)
        self.merge = double_conv(2 * base, base)
        self.seg = nn.Conv2d(base, len(CLASSES), 1)
        self.hgt = nn.Conv2d(base, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        z = self.merge(torch.cat([a, self.up(b)], dim=1))
        return self.seg(z), self.hgt(z).squeeze(1)


# ---------------------------------------------------------------- losses, metrics
def dice_loss(logits, target, eps=1.0):
    probs = torch.softmax(logits, dim=1)
    onehot = F.one_hot(target, len(CLASSES)).permute(0, 3, 1, 2).float()
    inter = (probs * onehot).sum((0, 2, 3))
    total = probs.sum((0, 2, 3)) + onehot.sum((0, 2, 3))
    return 1 - ((2 * inter + eps) / (total + eps)).mean()


def height_loss(pred, h):
    return F.mse_loss(pred, (h - H_MEAN) / H_STD)


@torch.no_grad()
def evaluate(net, loader):
    net.eval()
    conf = torch.zeros(3, 3)
    err = []
    for x, m, h in loader:
        seg, hgt = net((x - IMG_MEAN) / IMG_STD)
        conf += torch.bincount((m * 3 + seg.argmax(1)).flatten(), minlength=9).view(3, 3)
        err.append((hgt * H_STD + H_MEAN - h).abs().mean().item())
    iou = conf.diag() / (conf.sum(0) + conf.sum(1) - conf.diag())
    return iou.mean().item(), sum(err) / len(err)


# ---------------------------------------------------------------- training
net = UNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
EPOCHS = 8
schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, EPOCHS, power=0.9)
# WATCH(net, optimizer)
for epoch in range(EPOCHS):
    net.train()
    seg_total = hgt_total = 0.0
    for x, m, h in train_loader:
        optimizer.zero_grad()
        seg, hgt = net((x - IMG_MEAN) / IMG_STD)
        l_seg, l_hgt = dice_loss(seg, m), height_loss(hgt, h)
        (l_seg + 0.3 * l_hgt).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        seg_total += l_seg.item() / len(train_loader)
        hgt_total += l_hgt.item() / len(train_loader)
    schedule.step()
    iou, cm = evaluate(net, val_loader)
    print(f"{epoch + 1:2d}  dice loss {seg_total:.4f}  height loss {hgt_total:.4f}  val mIoU {iou:.4f}  val height error {cm:.1f} cm")

iou, cm = evaluate(net, test_loader)
print(f"test: mIoU {iou:.4f}, height error {cm:.1f} cm")
print(f"RESULT {iou:.4f} higher")
