//! The engine against an outside that the tests control: models that follow a list, a store that can be full.

mod bodies;
mod flow;
mod generated;
mod human;
mod memory;
mod models;
mod outside;
mod past;
mod runs;
mod support;
mod tapes;
mod tools;
