"""On the path of the processes that tests start while they run in a mode of the cache: the mode holds there, too."""

import os

if os.environ.get("TESTS_CACHE"):
    from tests.caching import put_around_questions

    put_around_questions()
