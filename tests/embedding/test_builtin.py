from llmctl.clock import SystemClock
from llmctl.embedding.builtin import Static, StaticOptions
from llmctl.embedding.static import StaticEmbedder
from llmctl.net.pool import Pool


async def test_the_built_in_one_answers_at_once(pool: Pool) -> None:
    static = Static(StaticOptions(), pool, SystemClock())
    await static.start()
    expected = StaticEmbedder().embed("Which river is the longest?")
    assert (static.now("Which river is the longest?") == expected).all()
    assert (await static.vector("Which river is the longest?") == expected).all()
    assert static.size == len(expected)
    assert not static.now(" ").any()
    await static.close()


def test_its_identity_is_that_of_its_table(pool: Pool) -> None:
    one, two = (Static(StaticOptions(), pool, SystemClock()) for _ in range(2))
    assert one.identity == two.identity
    assert len(one.identity) == 32
