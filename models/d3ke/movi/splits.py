"""Splits of BML-MoVi: which subject trains, validates and tests.

Source: Bittner et al. 2023 (Sensors 23(1), 341), by its published program: 67, 4 and 18 of the 90
subjects; 12 is in none.
"""

TRAIN = (
    78, 59, 79, 44, 56, 88, 75, 61, 53, 47, 40, 41, 32, 70, 28, 39, 69, 11, 3, 90, 71, 54, 20, 85,
    37, 34, 33, 46, 67, 63, 55, 36, 42, 50, 24, 35, 84, 45, 60, 16, 74, 82, 27, 89, 57, 5, 49, 22,
    4, 66, 31, 83, 43, 48, 52, 68, 25, 9, 18, 1, 81, 58, 23, 62, 64, 8, 87,
)  # fmt: skip
VALID = (14, 86, 15, 30)
TEST = (2, 29, 19, 21, 51, 26, 7, 72, 77, 17, 65, 80, 6, 76, 10, 73, 13, 38)


def split_of(subject: int) -> str | None:
    """`train`, `valid` or `test`; None for a subject that is in no split."""
    named = {"train": TRAIN, "valid": VALID, "test": TEST}
    return next((split for split, subjects in named.items() if subject in subjects), None)
