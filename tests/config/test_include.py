from pathlib import Path

from llmctl.config.include import gather
from llmctl.config.secrets import Environment


def test_included_files_are_found_beside_the_one_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    root, one, two = tmp_path / "root.yaml", tmp_path / "a" / "one.yaml", tmp_path / "a" / "b" / "two.yaml"
    root.write_text("include: ['a/${NAME}.yaml']\nx: {p: 1}\n")
    one.write_text("include: [b/two.yaml]\nx: {q: 2}\n")
    two.write_text("x: {r: 3}\n")
    gathered = gather(root, Environment({"NAME": "one"}))
    assert gathered.findings == []
    assert gathered.sources == [root, one, two]
    assert gathered.root is not None
    assert list(gathered.root.entries) == ["x"]


def test_sources_of_a_bad_file_are_still_watched(tmp_path: Path) -> None:
    root, bad = tmp_path / "root.yaml", tmp_path / "bad.yaml"
    root.write_text("include: [bad.yaml, absent.yaml]\nx: 1\n")
    bad.write_text("x: [")
    gathered = gather(root, Environment({}))
    assert not gathered.readable
    assert gathered.sources == [root, bad, tmp_path / "absent.yaml"]
    assert len(gathered.findings) == 2


def test_a_link_to_itself_is_a_cycle(tmp_path: Path) -> None:
    root = tmp_path / "root.yaml"
    root.write_text("include: [link.yaml]\n")
    (tmp_path / "link.yaml").symlink_to(root)
    assert "includes itself" in str(gather(root, Environment({})).findings[0])


def test_a_circular_link_is_unreadable(tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(link)
    assert "cannot be read" in str(gather(link, Environment({})).findings[0])


def test_merging_does_not_write_through_an_alias(tmp_path: Path) -> None:
    root = tmp_path / "root.yaml"
    root.write_text("include: [more.yaml]\na: &x {p: 1}\nb: *x\n")
    (tmp_path / "more.yaml").write_text("a: {q: 2}\n")
    gathered = gather(root, Environment({}))
    assert gathered.findings == []
    assert gathered.root is not None
    assert [len(getattr(node, "entries", ())) for _, node in gathered.root.entries.values()] == [2, 1]


def test_an_unset_variable_in_an_include(tmp_path: Path) -> None:
    root = tmp_path / "root.yaml"
    root.write_text("include: ['${NO}']\n")
    assert "NO is not set" in str(gather(root, Environment({})).findings[0])


def test_a_name_no_file_can_have(tmp_path: Path) -> None:
    root = tmp_path / "root.yaml"
    root.write_text('include: ["a\\0b"]\n')
    assert "cannot be read" in str(gather(root, Environment({})).findings[0])
