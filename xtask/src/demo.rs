//! `cargo xtask demo` and `cargo xtask lab`: the shortest way from a clone to a notebook that runs.

use std::{fs, process::Command};

use crate::{
    python,
    shell::{Done, aikit, cache, root, run},
};

/// Runs the quick start with a store and kernelspecs of its own.
pub fn demo() -> Done {
    let program = aikit(false)?;
    let folder = cache()?.join("demo");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let (notebook, page) = (folder.join("quick-start.ipynb"), folder.join("quick-start.html"));
    let command = || {
        let mut command = Command::new(&program);
        command.env("AIKIT_HOME", folder.join("home"));
        command
    };
    run(command().args(["kernel", "install", "--prefix"]).arg(&folder))?;
    run(command()
        .args(["notebook", "run"])
        .arg(root().join("notebooks/quick-start.ipynb"))
        .arg("-o")
        .arg(&notebook)
        .arg("--html")
        .arg(&page))?;
    println!("\nthe page:      {}", page.display());
    println!("the notebook:  {}", notebook.display());
    println!("in JupyterLab: cargo xtask lab");
    println!("or with a Jupyter of your own: JUPYTER_PATH={} jupyter lab", folder.join("share/jupyter").display());
    Ok(())
}

/// Starts JupyterLab with the kernels in an environment of its own.
pub fn lab(options: &[&str]) -> Done {
    let program = aikit(false)?;
    let environment = python::lab()?;
    run(Command::new(&program).args(["kernel", "install", "--prefix"]).arg(&environment))?;
    run(Command::new(environment.join("bin/jupyter"))
        .args(["lab", "quick-start.ipynb"])
        .args(options)
        .current_dir(root().join("notebooks")))
}
