//! Who can be asked at the command line: answers that were given with the command, then the person at the terminal.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::Arc,
};

use aikit_runtime::people::{Answers, People, Question};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// People for a run: these answers, and the terminal where there is one.
pub fn people(answers: Map<String, Value>) -> Arc<dyn People> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    Arc::new(AtTheCommand { answers: Answers(answers), terminal })
}

struct AtTheCommand {
    answers: Answers,
    terminal: bool,
}

#[async_trait]
impl People for AtTheCommand {
    async fn ask(&self, question: &Question, cancel: &CancellationToken) -> Option<Value> {
        if let Some(answer) = self.answers.ask(question, cancel).await {
            return Some(answer);
        }
        if !self.terminal {
            return None;
        }
        let mut prompt = question.asked();
        loop {
            let asked = prompt.clone();
            let line = tokio::task::spawn_blocking(move || line(&asked));
            let line = tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                line = line => line.ok()??,
            };
            match question.accept(json!(line)) {
                Ok(answer) => return Some(answer),
                Err(problem) => prompt = format!("{problem}\n{}", question.asked()),
            }
        }
    }
}

/// A line of the person; nothing when they are gone.
fn line(prompt: &str) -> Option<String> {
    let mut err = io::stderr().lock();
    write!(err, "{prompt}").and_then(|()| err.flush()).ok()?;
    drop(err);
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
