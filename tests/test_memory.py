#!/usr/bin/env python3
"""Some allocations of some commands fail; all of all do in `make test-deep`."""
import unittest

import failing_allocations


class Memory(unittest.TestCase):
    def test_an_allocation_that_fails_ends_the_command(self):
        self.assertEqual(failing_allocations.attempt(["tokenize", "generate", "survey", "epo", "report"], most=40), [])


if __name__ == "__main__":
    unittest.main()
