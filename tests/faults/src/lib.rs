//! Faults and what is left after them: the tests in `tests/` are all there is.
