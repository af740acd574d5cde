"""The model card tells what was measured, and comes with the weights."""

from tests import model_card


def test_tables_are_what_the_benchmark_measured() -> None:
    text = model_card.CARD.read_text(encoding="utf-8")
    assert model_card.written() == text, "run python -m tests.model_card"


def test_every_predicted_coordinate_has_its_error_beside_the_mean_pose() -> None:
    rows = model_card.coordinates().splitlines()[2:]
    assert "| knee_angle |" in "\n".join(rows)
    assert "subtalar" not in "\n".join(rows)  # no landmark shows it: it is the prior's
    assert all(row.count("(") == len(model_card.ACTIVITIES) for row in rows)


def test_every_view_of_the_benchmark_is_in_it() -> None:
    rows = model_card.views().splitlines()[2:]
    assert len(rows) == 10
    assert rows[0].startswith("| squats, 0 |")
