//! How an agent goes about a conversation: at once, thinking aloud, by a plan, or with a second look.

use aikit_core::RunError;
use aikit_spec::agent::Strategy;
use serde_json::Value;

use super::{Execution, answer::instruct, conversation::Talk};
use crate::ports::{Message, Role, ToolChoice};

/// What a model is told that thinks aloud.
const THINK: &str = "Work in turns. In each turn say first in one or two sentences what you know and what is missing, then call \
                     the tool that brings it. Look at its result before you go on. Answer when nothing is missing.";

/// What asks for a plan.
const PLAN: &str = "Before you begin: write down the steps by which you will do this, numbered and short. Do not carry them out \
                    yet.";

/// What begins the work.
const EXECUTE: &str =
    "Carry out these steps one after the other. Change them where a result makes it necessary. Then answer.";

/// What asks for a second look.
const REFLECT: &str = "Look at your answer with the eyes of a strict reader: what is wrong, missing or unclear in it? Then give \
                       the final answer in its best form, and nothing else.";

impl Execution {
    /// Leads a conversation as `intelligence.cognition.strategy` says.
    pub(super) async fn follow_strategy(&self, talk: &mut Talk<'_>) -> Result<Value, RunError> {
        match self.plan.cognition.strategy {
            Strategy::Direct => {}
            Strategy::React => instruct(&mut talk.c.messages, THINK),
            Strategy::PlanExecute => {
                talk.c.messages.push(Message::text(Role::User, PLAN));
                let choice = (!talk.specs.is_empty()).then_some(ToolChoice::None);
                let plan = self.say(talk, choice, false).await?;
                talk.c.messages.push(Message::text(Role::Assistant, plan.content));
                talk.c.messages.push(Message::text(Role::User, EXECUTE));
            }
            Strategy::Reflect => {
                self.turn(talk).await?;
                talk.c.messages.push(Message::text(Role::User, REFLECT));
            }
        }
        self.turn(talk).await
    }
}
