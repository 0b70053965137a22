//! What no single crate can test: that a thing which is true in one face is true in all. The corpus of the language lies in
//! `specs/`, the suites of real clients in `python/`.
