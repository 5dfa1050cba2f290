"""A training of a second, and what a command says of a mistake."""

TINY = [
    "data=shapes",
    "data.size=[16,24]",
    "data.images={train:8,val:3,test:4}",
    "data.batch_size=4",
    "data.num_workers=0",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "logger=none",
]


def assert_one_sentence(result, text):
    code, _, err = result
    assert code in (1, 2)
    assert text in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
