//! Adapters of the tool port: the built-in tools.
