from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import MODELS

from mmada.diagnostics.first_batches import first_batches
from tests.support import toy


@MODELS.register_module()
class DetectorOfProgress(toy.ToyDetector):
    """Reads what YOLOX's BatchSyncRandomResize and the head of TOOD do."""

    seen = set()

    def forward(self, x, y, mode='tensor'):
        hub = MessageHub.get_current_instance()
        self.seen.add((hub.get_info('iter'), hub.get_info('epoch')))
        return super().forward(x, y, mode)


def test_a_model_may_read_the_progress_of_the_training():
    cfg = Config(
        dict(
            model=dict(type='DetectorOfProgress'),
            train_dataloader=toy.dataloader(),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=toy.OPTIM_WRAPPER,
            default_scope='mmengine',
        )
    )
    with first_batches(cfg, None, 2, toy.OPTIM_WRAPPER):
        assert DetectorOfProgress.seen == {(0, 0)}
