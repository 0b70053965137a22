//! Reading only what an edit touches. The entries and items of block collections are the units: reading begins again
//! at the last one whose first line lies before the edit, and ends where an old one begins behind it. What stands before
//! was read without a look at the edit, and what stands behind is read the same from there on.

use std::ops::Range;

use aikit_core::TextRange;

use super::{FLOW, Problem, ProblemKind, Record, SyntaxKind, SyntaxTree, block::Context, parser::Parser};

/// A block collection around an edit, with what is needed to go on reading in it.
struct Place {
    /// Its record.
    node: usize,
    mapping: bool,
    context: Context,
    column: i32,
    /// The record of the entry or item that reading can begin with.
    first: Option<usize>,
}

/// What takes the place of a part of the records.
struct Change {
    records: Vec<Record>,
    problems: Vec<Problem>,
    glances: Vec<TextRange>,
    /// The old records that it replaces.
    replaced: Range<usize>,
    /// Where the text begins that they stand for, and where it ended.
    start: u32,
    end: u32,
    /// Comments at the end of `records` that lie behind the collection.
    behind: usize,
    /// The same for the old records.
    old_behind: usize,
}

impl SyntaxTree {
    /// Follows an edit: `range` of the old text was replaced by `inserted` bytes, which gave `text`. The tree is then the
    /// same as that of a full parse; where the edit stays inside some entries or items only those are read.
    pub fn edit(&mut self, text: &str, range: Range<usize>, inserted: usize) {
        match self.reread(text, &range, inserted) {
            Some((place, change)) => self.splice(text, &place, change, inserted as i64 - range.len() as i64),
            None => *self = Self::parse(text),
        }
    }

    fn reread(&self, text: &str, range: &Range<usize>, inserted: usize) -> Option<(Vec<usize>, Change)> {
        let loose = |problem: &Problem| has_far_effects(problem.kind);
        let new = text.get(range.start..range.start + inserted)?;
        if self.problems.iter().any(loose)
            || new.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t') || byte == 0x7f)
        {
            return None;
        }
        let document = self.only_document()?;
        let mut path = vec![0, document];
        let places = self.places(text, document, range.start, &mut path);
        for (depth, place) in places.iter().enumerate().rev() {
            let Some(first) = place.first else { continue };
            let start = self.records[first].start;
            let looked = |glance: &TextRange| glance.start < start && glance.end as usize >= range.start;
            if self.glances.iter().any(looked) {
                continue;
            }
            if let Some(change) = self.again(text, place, first, depth, range, inserted) {
                if change.problems.iter().any(loose) {
                    return None;
                }
                let around = path.iter().position(|index| *index == place.node).unwrap_or(0);
                path.truncate(around + 1);
                return Some((path, change));
            }
        }
        None
    }

    /// The document, if the text is one without directives.
    fn only_document(&self) -> Option<usize> {
        let mut documents = self.children(0).filter(|child| self.records[*child].kind == SyntaxKind::Document);
        let document = documents.next().filter(|_| documents.next().is_none())?;
        let directive = self.records.get(document + 1).is_some_and(|record| record.kind == SyntaxKind::Directive);
        (!directive).then_some(document)
    }

    fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let end = node + 1 + self.records[node].size as usize;
        let mut next = node + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next += 1 + self.records[child].size as usize;
                child
            })
        })
    }

    /// The block collections around `at`, outermost first, that can be read again from a part before `at`; `path` gets
    /// all records around them.
    fn places(&self, text: &str, document: usize, at: usize, path: &mut Vec<usize>) -> Vec<Place> {
        let mut places = Vec::new();
        let mut context = Context::root();
        let mut parent = document;
        loop {
            let around = |child: &usize| {
                let record = self.records[*child];
                (record.start as usize) < at && at <= record.end as usize
            };
            let is_block = |record: Record| {
                matches!(record.kind, SyntaxKind::Mapping | SyntaxKind::Sequence) && record.flags & FLOW == 0
            };
            // Behind the last collection of the document nothing is around; it may still be the one that goes on.
            let begun = |child: &usize| parent == document && (self.records[*child].start as usize) < at;
            let mut contents = self.children(parent).filter(|child| self.records[*child].kind.is_content());
            let Some(node) = contents.find(|child| around(child) || begun(child)) else { return places };
            if !is_block(self.records[node]) || (parent == document && contents.next().is_some()) {
                return places;
            }
            path.push(node);
            let mapping = self.records[node].kind == SyntaxKind::Mapping;
            let start = self.records[node].start as usize;
            let column = (start - line_start(text, start)) as i32;
            let (mut first, mut holding) = (None, None);
            for part in self.children(node) {
                let record = self.records[part];
                if record.start as usize >= at {
                    break;
                }
                if !matches!(record.kind, SyntaxKind::Entry | SyntaxKind::Item) {
                    continue;
                }
                if self.can_begin(text, node, part, at) {
                    first = Some(part);
                }
                holding = around(&part).then_some(part);
            }
            places.push(Place { node, mapping, context, column, first });
            let Some(part) = holding else { return places };
            path.push(part);
            context = if mapping { context.in_entry(column, column) } else { context.in_item(column, column) };
            parent = part;
        }
    }

    /// Whether reading can begin with this part of `node`: it is the first on its line, which lies before `at`, and it
    /// would be found there without what stands before.
    fn can_begin(&self, text: &str, node: usize, part: usize, at: usize) -> bool {
        let start = self.records[part].start as usize;
        let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |length| start + length);
        if line_end >= at || !text[line_start(text, start)..start].bytes().all(|byte| byte == b' ') {
            return false;
        }
        if part != node + 1 {
            return true;
        }
        // The first part decides what the collection is, by its first line.
        match self.records[node].kind {
            SyntaxKind::Mapping => {
                let kinds = self.records[part + 1..].iter().take(2).map(|record| record.kind);
                kinds.eq([SyntaxKind::Plain, SyntaxKind::Colon])
            }
            _ => text[start + 1..line_end].trim() != "",
        }
    }

    /// Reads the parts of a collection from the place's first on, up to an old one behind the edit, or to the end of the
    /// collection if that is where it was.
    fn again(
        &self,
        text: &str,
        place: &Place,
        first: usize,
        depth: usize,
        range: &Range<usize>,
        inserted: usize,
    ) -> Option<Change> {
        let delta = inserted as i64 - range.len() as i64;
        let old_start = self.records[first].start;
        let behind_edit = range.start + inserted;
        let mut parser = Parser::at_line(text, line_start(text, old_start as usize), depth + 1);
        let end = place.node + 1 + self.records[place.node].size as usize;
        let mut old = first;
        loop {
            let more = if place.mapping {
                parser.entry_ahead(place.context, place.column, 0)
            } else {
                parser.item_ahead(place.context, place.column, 0)
            };
            let pos = parser.position();
            if !more {
                return self.at_collection_end(text, parser, place.node, first, range, delta);
            }
            // With its break behind the edit, the line is the same as before, and in the same column.
            if line_start(text, pos) > behind_edit {
                let before = pos as i64 - delta;
                while old < end && i64::from(self.records[old].start) < before {
                    old += 1 + self.records[old].size as usize;
                }
                let part = self.records.get(old).filter(|_| old < end);
                let same = part.is_some_and(|part| {
                    matches!(part.kind, SyntaxKind::Entry | SyntaxKind::Item)
                        && i64::from(part.start) == before
                        && before >= range.end as i64
                });
                if same {
                    let (records, problems, glances) = parser.parts();
                    let change = Change {
                        records,
                        problems,
                        glances,
                        replaced: first..old,
                        start: old_start,
                        end: before as u32,
                        behind: 0,
                        old_behind: 0,
                    };
                    return Some(change);
                }
            }
            if place.mapping {
                parser.entry(place.context, place.column, place.column, 0);
            } else {
                parser.item(place.context, place.column, place.column);
            }
        }
    }

    /// The collection ends at the parser's place: fine, if the old one ended there too.
    fn at_collection_end(
        &self,
        text: &str,
        parser: Parser<'_>,
        node: usize,
        first: usize,
        range: &Range<usize>,
        delta: i64,
    ) -> Option<Change> {
        let end = node + 1 + self.records[node].size as usize;
        let comments = self.records[end..].iter().take_while(|record| record.kind == SyntaxKind::Comment).count();
        let next = self.records.get(end + comments);
        let line = line_start(text, parser.position());
        let pos = parser.position() as i64 - delta;
        let old_end = match next {
            Some(next) => i64::from(next.start),
            None => pos.max(i64::from(self.records[0].end)),
        };
        // What follows must be a part or a marker: anything else was read for a reason that is not known here.
        let known =
            next.is_none_or(|next| matches!(next.kind, SyntaxKind::Entry | SyntaxKind::Item | SyntaxKind::DocumentEnd));
        let at_end = next.is_some() || parser.is_at_end_of_text();
        let same_line = next.is_none() || line as i64 - delta > range.end as i64;
        if !known || !at_end || !same_line || pos != old_end || old_end < range.end as i64 {
            return None;
        }
        let (records, problems, glances) = parser.parts();
        let behind = records.iter().rev().take_while(|record| record.kind == SyntaxKind::Comment).count();
        if behind == records.len() {
            return None;
        }
        Some(Change {
            records,
            problems,
            glances,
            replaced: first..end + comments,
            start: self.records[first].start,
            end: old_end as u32,
            behind,
            old_behind: comments,
        })
    }

    /// Puts a change in its place. `path` leads from the stream to the collection.
    fn splice(&mut self, text: &str, path: &[usize], change: Change, delta: i64) {
        let moved = |offset: u32| (i64::from(offset) + delta) as u32;
        let added = change.records.len();
        let (grown, inside) = (
            added as i64 - change.replaced.len() as i64,
            (added - change.behind) as i64 - (change.replaced.len() - change.old_behind) as i64,
        );
        let behind = change.replaced.start + added;
        let old_end = change.replaced.end - change.old_behind;
        // Who ended with the collection still does; who went on holds the comments too, as the document always does.
        let ends = |index: usize| index + 1 + self.records[index].size as usize <= old_end;
        let ends_with_it: Vec<bool> = path.iter().enumerate().map(|(depth, index)| depth > 1 && ends(*index)).collect();
        self.records.splice(change.replaced, change.records);
        for record in &mut self.records[behind..] {
            (record.start, record.end) = (moved(record.start), moved(record.end));
        }
        for (index, ends) in path.iter().zip(ends_with_it).rev() {
            let grown = if ends { inside } else { grown };
            let size = (i64::from(self.records[*index].size) + grown) as u32;
            self.records[*index].size = size;
            self.records[*index].end = self.records[index + size as usize].end;
        }
        self.records[0].end = text.len() as u32;
        let (from, to) = (change.start, change.end);
        let shifted = |mut range: TextRange| {
            (range.start, range.end) = (moved(range.start), moved(range.end));
            range
        };
        let tail = self.problems.split_off(self.problems.partition_point(|problem| problem.range.start < from));
        self.problems.extend(change.problems);
        let tail = tail.into_iter().filter(|problem| problem.range.start >= to);
        self.problems.extend(tail.map(|problem| Problem { range: shifted(problem.range), ..problem }));
        let old = std::mem::take(&mut self.glances).into_iter();
        let kept = old.filter(|glance| glance.start < from || glance.start >= to);
        self.glances = kept.map(|glance| if glance.start < from { glance } else { shifted(glance) }).collect();
        self.glances.extend(change.glances);
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |at| at + 1)
}

/// Whether a problem changes how later lines are reported.
fn has_far_effects(kind: ProblemKind) -> bool {
    matches!(
        kind,
        ProblemKind::Indentation
            | ProblemKind::Tab
            | ProblemKind::TooDeep
            | ProblemKind::ControlCharacter
            | ProblemKind::SecondRoot
    )
}
