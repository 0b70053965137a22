//! The store from outside. Every module is one promise.

mod behaviour;
mod crash;
mod memory;
mod migrations;
mod model;
mod support;
mod trouble;
mod wall;
