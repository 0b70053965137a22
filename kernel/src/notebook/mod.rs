//! Notebooks on disk: read, executed, written back as Jupyter writes them, shown as one HTML page.

mod format;
mod html;
mod outputs;
mod run;

pub use self::{
    format::{Notebook, NotebookError},
    html::to_html,
    run::{CellFailure, Progress, Report, RunOptions, run},
};
