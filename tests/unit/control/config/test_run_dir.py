"""Names in the run directory."""

import pytest

from control.config.run_dir import slug


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ("shop", "shop"),
        ("a/b", "a.b"),
        ("ü 50%", "ü 50%"),
        ("a:b", "a-b"),
        ("::", "--"),
        (":x", "-x"),
        ("x" * 90, "x" * 90),
    ],
)
def test_a_slug_is_the_projects_name_as_one_part_of_a_path(project: str, expected: str) -> None:
    assert slug(project) == expected


def test_the_slugs_of_long_names_fit_into_the_path_of_a_socket_and_differ() -> None:
    names = ["ü" * 46, "ü" * 45 + "x", "ü" * 120, "/".join("ü" * 60)]
    slugs = {slug(name) for name in names}
    assert len(slugs) == len(names)
    assert max(len(each.encode()) for each in slugs) <= 90
