"""docs/python.md says what is so. The examples with other projects are run in tests/integrations."""

import doc_examples


def test_the_examples_run() -> None:
    assert doc_examples.run(of_projects=False) == 8
