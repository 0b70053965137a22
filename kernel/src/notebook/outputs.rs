//! Messages of a running cell, collected into the outputs of a notebook.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::format::Notebook;
use crate::message::Message;

/// The outputs that can still be updated, by display id: cell and position.
#[derive(Default)]
pub struct Displays(BTreeMap<String, Vec<(usize, usize)>>);

impl Displays {
    fn forget(&mut self, cell: usize) {
        for places in self.0.values_mut() {
            places.retain(|(of, _)| *of != cell);
        }
    }
}

/// The outputs of one cell while it runs.
pub struct Collector<'a> {
    notebook: &'a mut Notebook,
    displays: &'a mut Displays,
    cell: usize,
    /// `clear_output(wait)` came: the next output replaces all.
    clear_next: bool,
}

impl<'a> Collector<'a> {
    /// Begins a cell: its former outputs go.
    pub fn begin(notebook: &'a mut Notebook, displays: &'a mut Displays, cell: usize) -> Self {
        let mut collector = Self { notebook, displays, cell, clear_next: false };
        collector.clear();
        collector.set("execution_count", Value::Null);
        collector
    }

    fn cell(&mut self) -> Option<&mut Value> {
        self.notebook.cells_mut().get_mut(self.cell)
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some(cell) = self.cell() {
            cell[name] = value;
        }
    }

    fn outputs(&mut self) -> Option<&mut Vec<Value>> {
        self.cell()?.get_mut("outputs")?.as_array_mut()
    }

    fn clear(&mut self) {
        self.set("outputs", json!([]));
        self.displays.forget(self.cell);
    }

    /// Takes a message of the cell; the output, where it became one.
    pub fn take(&mut self, message: &Message) -> Option<Value> {
        let content = &message.content;
        let field = |name: &str| content.get(name).cloned().unwrap_or_default();
        if let Some(count) = content.get("execution_count").filter(|count| !count.is_null()) {
            self.set("execution_count", count.clone());
        }
        let id = content.get("transient").and_then(|transient| transient.get("display_id")).and_then(Value::as_str);
        let msg_type = message.header.msg_type.as_str();
        let output = match msg_type {
            "stream" => json!({ "output_type": msg_type, "name": field("name"), "text": field("text") }),
            "display_data" => json!({ "output_type": msg_type, "metadata": field("metadata"), "data": field("data") }),
            "execute_result" => json!({
                "output_type": msg_type,
                "metadata": field("metadata"),
                "data": field("data"),
                "execution_count": field("execution_count"),
            }),
            "error" => json!({
                "output_type": msg_type,
                "ename": field("ename"),
                "evalue": field("evalue"),
                "traceback": field("traceback"),
            }),
            "update_display_data" => {
                self.update(id, content);
                return None;
            }
            "clear_output" => {
                if content.get("wait").and_then(Value::as_bool) == Some(true) {
                    self.clear_next = true;
                } else {
                    self.clear();
                }
                return None;
            }
            _ => return None,
        };
        // Another output under a known id renews those that have it, besides being one itself.
        self.update(id, content);
        self.add(output.clone(), id);
        Some(output)
    }

    /// Adds an output that no message brought.
    pub fn add(&mut self, output: Value, id: Option<&str>) {
        if std::mem::take(&mut self.clear_next) {
            self.clear();
        }
        let cell = self.cell;
        let Some(outputs) = self.outputs() else { return };
        if let Some(last) = outputs.last_mut()
            && last["output_type"] == "stream"
            && output["output_type"] == "stream"
            && last["name"] == output["name"]
            && let (Some(Value::String(before)), Some(text)) = (last.get_mut("text"), output["text"].as_str())
        {
            before.push_str(text);
            return;
        }
        let position = outputs.len();
        outputs.push(output);
        if let Some(id) = id {
            self.displays.0.entry(id.to_owned()).or_default().push((cell, position));
        }
    }

    /// Renews every output under an id, wherever in the notebook it stands.
    fn update(&mut self, id: Option<&str>, content: &serde_json::Map<String, Value>) {
        for (cell, position) in id.and_then(|id| self.displays.0.get(id)).into_iter().flatten() {
            let output = self
                .notebook
                .cells_mut()
                .get_mut(*cell)
                .and_then(|cell| cell.get_mut("outputs")?.get_mut(position))
                .and_then(Value::as_object_mut);
            if let Some(output) = output {
                output.insert("data".into(), content.get("data").cloned().unwrap_or_default());
                output.insert("metadata".into(), content.get("metadata").cloned().unwrap_or_default());
            }
        }
    }
}
