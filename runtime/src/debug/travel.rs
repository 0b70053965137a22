//! Moving on and back: in the past the view moves, in the present the run does.

use std::sync::Arc;

use super::{Debugger, Frame, Going, Inner, Moment, Reason, Stopped, script::Resume};

/// How many places on a line are offered.
const TARGETS: usize = 20;

/// A way to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// To the next breakpoint.
    On,
    /// To the next place that is not inside this one.
    Next,
    /// To the very next place.
    In,
    /// To the next place outside of what this one stands in.
    Out,
    /// To the last place that was not inside one before this one.
    Back,
    /// To the very last place.
    BackIn,
    /// To the last breakpoint, or to the beginning.
    BackOn,
}

impl Debugger {
    /// Moves. A stop in the past is given at once; one in the present is told when it comes. `None` means that the run goes
    /// on, an error that it does not stand still.
    pub fn go(&self, how: Move) -> Result<Option<Stopped>, String> {
        let mut inner = self.lock();
        let at = inner.looking.ok_or("the run does not stand still")?;
        let here = inner.been[at].clone();
        let (thread, depth) = (here.thread, here.depth);
        let outer = depth.saturating_sub(1);
        let is_near = |inner: &Inner, moment: &Moment, depth: usize| {
            moment.depth <= depth && inner.is_line(thread, moment.thread)
        };
        let present = inner.been.len() - 1;
        if matches!(how, Move::Back | Move::BackIn | Move::BackOn) {
            if at == 0 {
                return Ok(Some(stopped(Reason::Entry, &here)));
            }
            let found = (0..at).rev().find(|&i| match how {
                Move::Back => is_near(&inner, &inner.been[i], depth),
                Move::BackIn => true,
                _ => inner.has_breakpoint(&inner.been[i]),
            });
            let found = found.unwrap_or(0);
            inner.looking = Some(found);
            let reason = match how {
                _ if found == 0 => Reason::Entry,
                Move::BackOn => Reason::Breakpoint,
                _ => Reason::Step,
            };
            return Ok(Some(stopped(reason, &inner.been[found])));
        }
        if at < present {
            let found = (at + 1..present).find(|&i| match how {
                Move::Next => is_near(&inner, &inner.been[i], depth),
                Move::In => true,
                Move::Out => is_near(&inner, &inner.been[i], outer),
                _ => inner.has_breakpoint(&inner.been[i]),
            });
            let found = found.unwrap_or(present);
            inner.looking = Some(found);
            let reason = match how {
                Move::On if inner.has_breakpoint(&inner.been[found]) => Reason::Breakpoint,
                _ => Reason::Step,
            };
            return Ok(Some(stopped(reason, &inner.been[found])));
        }
        // Inside a script the interpreter counts its own depth; the engine's is that of the step around it.
        let step = match here.script {
            Some(_) => {
                inner.threads.get(&thread).and_then(|thread| thread.stack.last()).map_or(depth, |step| step.depth)
            }
            None => depth,
        };
        let (going, script) = match how {
            Move::Next => (Going::Step { thread, depth: step }, Resume::Over),
            Move::In => (Going::In, Resume::In),
            Move::Out if here.script.is_some() => (Going::Step { thread, depth: step }, Resume::Out),
            Move::Out => (Going::Step { thread, depth: step.saturating_sub(1) }, Resume::Out),
            _ => (Going::On, Resume::On),
        };
        inner.release(going, script);
        Ok(None)
    }
}

/// Other ways through what has been.
impl Debugger {
    /// Looks at a place where the run has been, by its number.
    pub fn look(&self, moment: usize) -> Result<Stopped, String> {
        let mut inner = self.lock();
        inner.looking.ok_or("the run does not stand still")?;
        let found = inner.been.get(moment).cloned().ok_or("the run has not been there")?;
        inner.looking = Some(moment);
        Ok(stopped(Reason::Goto, &found))
    }

    /// The places where the innermost frame is one that is wanted, the last first, with the names of the frames.
    pub fn visited(&self, wanted: &dyn Fn(&Frame) -> bool) -> Vec<(usize, String)> {
        let inner = self.lock();
        let all = inner.been.iter().enumerate().rev();
        let named = all.filter_map(|(number, moment)| Some((number, moment.frames.first()?)));
        let found = named.filter(|(_, frame)| wanted(frame)).take(TARGETS);
        found.map(|(number, frame)| (number, frame.name.clone())).collect()
    }

    /// The place where a frame began.
    pub fn began(&self, moment: usize, frame: usize) -> Option<usize> {
        let inner = self.lock();
        let here = inner.been.get(moment)?;
        let outer = here.frames.len().checked_sub(frame + 1)?;
        let own = &here.frames[frame];
        // Frames are counted from the outermost: what is inside of this one comes and goes.
        let same = |other: &Moment| {
            let at = other.frames.len().checked_sub(outer + 1)?;
            let found = &other.frames[at];
            let is = match own.kind {
                super::FrameKind::Script => other.script == here.script && found.name == own.name,
                _ => Arc::ptr_eq(found, own) || found.line == own.line && found.name == own.name,
            };
            is.then_some(())
        };
        let mine = (0..=moment).rev().filter(|&i| inner.been[i].thread == here.thread);
        mine.take_while(|&i| same(&inner.been[i]).is_some()).last()
    }
}

fn stopped(reason: Reason, moment: &Moment) -> Stopped {
    let text = moment.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message));
    Stopped { thread: moment.thread, reason, text, hit: Vec::new() }
}
