//! An expression rewritten so that its work is counted: CEL always ends, but nested comprehensions multiply, and values
//! that are doubled a hundred times fill any memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cel::{
    Context, ExecutionError, FunctionContext,
    common::{
        ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr as Node, IdedExpr, operators},
        types::{CelBytes, CelDouble, CelInt, CelList, CelMap, CelString, CelUInt},
        value::{CowVal, Val},
    },
};

/// Values that one evaluation may touch; texts count by their length.
const ALLOWANCE: u64 = 1_000_000;
/// Bytes of a text that count as one value.
const BYTES: u64 = 16;
/// What the compilation of a regular expression counts.
const REGEX: u64 = 2_000;

const STEP: &str = "@step";
const RANGE: &str = "@range";
const HEAVY: &str = "@heavy";
/// Operators that take any numbers and are counted.
const ARITHMETIC: &[(&str, &str)] = &[
    (operators::ADD, "@add"),
    (operators::SUBSTRACT, "@sub"),
    (operators::MULTIPLY, "@mul"),
    (operators::DIVIDE, "@div"),
];

/// The message of an expression that does too much.
pub(super) const TOO_MUCH: &str = "the expression takes too many steps; are the lists that it goes through too long?";

type Function =
    Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync>;

/// What is left of the allowance of one evaluation.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(ALLOWANCE)))
    }

    /// Whether the allowance is spent. CEL may pass over the error (`error || true`), so it is asked at the end.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, weight: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(weight);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 { Err(ExecutionError::function_error("", TOO_MUCH)) } else { Ok(()) }
    }

    fn weigh(&self, value: &dyn Val) -> Result<(), ExecutionError> {
        let bytes = value.downcast_ref::<CelString<'_>>().map(|text| text.inner().len());
        let bytes = bytes.or_else(|| value.downcast_ref::<CelBytes<'_>>().map(|bytes| bytes.inner().len()));
        self.take(1 + bytes.unwrap_or(0) as u64 / BYTES)?;
        if let Some(list) = value.downcast_ref::<CelList<'_>>() {
            list.inner().iter().try_for_each(|item| self.weigh(item.as_ref()))?;
        }
        if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
            map.inner().values().try_for_each(|item| self.weigh(item.as_ref()))?;
        }
        Ok(())
    }

    /// Adds the functions that [`bound`] puts into an expression.
    pub(super) fn declare(&self, context: &mut Context<'_, '_>) -> Result<(), cel::DeclarationError> {
        let budget = self.clone();
        let step: Function = Box::new(move |call| {
            let value = argument(call)?;
            budget.weigh(value.as_ref())?;
            Ok(value)
        });
        context.add_function(STEP, step)?;
        let budget = self.clone();
        let heavy: Function = Box::new(move |call| {
            let value = argument(call)?;
            budget.take(REGEX)?;
            budget.weigh(value.as_ref())?;
            Ok(value)
        });
        context.add_function(HEAVY, heavy)?;
        let budget = self.clone();
        let range: Function = Box::new(move |call| {
            let value = argument(call)?;
            budget.weigh(value.as_ref())?;
            Ok(in_order(value))
        });
        context.add_function(RANGE, range)?;
        for (operator, name) in ARITHMETIC {
            let budget = self.clone();
            let function: Function = Box::new(move |call| {
                let left = argument(call)?;
                let right = argument(call)?;
                budget.weigh(left.as_ref())?;
                budget.weigh(right.as_ref())?;
                arithmetic(operator, left, right)
            });
            context.add_function(name, function)?;
        }
        Ok(())
    }
}

/// The next argument of a call.
fn argument<'c, 'v>(call: &mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> {
    if call.args.is_empty() {
        return Err(ExecutionError::missing_argument_or_target());
    }
    Ok(call.args.remove(0))
}

/// The keys of an object in a fixed order, since its own order differs from process to process; other values as they are.
fn in_order<'c, 'v>(value: CowVal<'c, 'v>) -> CowVal<'c, 'v> {
    let Some(map) = value.downcast_ref::<CelMap<'v>>() else { return value };
    let mut keys: Vec<_> = map.inner().keys().cloned().collect();
    keys.sort_by_cached_key(|key| format!("{key:?}"));
    let keys: Vec<Box<dyn Val + 'v>> = keys.iter().map(|key| key.inner().clone_as_boxed()).collect();
    CowVal::owned(CelList::from(keys))
}

/// CEL's operator, and for a mix of numbers that of floating point.
fn arithmetic<'c, 'v>(
    operator: &str,
    left: CowVal<'c, 'v>,
    right: CowVal<'c, 'v>,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    if left.get_type().kind() != right.get_type().kind()
        && let (Some(a), Some(b)) = (number(left.as_ref()), number(right.as_ref()))
    {
        let result = match operator {
            operators::ADD => a + b,
            operators::SUBSTRACT => a - b,
            operators::MULTIPLY => a * b,
            _ => a / b,
        };
        return Ok(CowVal::owned(CelDouble::from(result)));
    }
    let types = || vec![left.get_type().name().to_owned(), right.get_type().name().to_owned()];
    let unsupported = || ExecutionError::no_such_overload(operator, types());
    let rhs = right.as_ref();
    let result = match operator {
        operators::ADD => left.as_adder().ok_or_else(unsupported)?.add(rhs),
        operators::SUBSTRACT => left.as_subtractor().ok_or_else(unsupported)?.sub(rhs),
        operators::MULTIPLY => left.as_multiplier().ok_or_else(unsupported)?.mul(rhs),
        _ => left.as_divider().ok_or_else(unsupported)?.div(rhs),
    };
    match result {
        Ok(value) => Ok(CowVal::Owned(value.into_owned())),
        Err(ExecutionError::UnsupportedBinaryOperator(..)) => Err(unsupported()),
        Err(error) => Err(error),
    }
}

fn number(value: &dyn Val) -> Option<f64> {
    if let Some(n) = value.downcast_ref::<CelInt>() {
        return Some(*n.inner() as f64);
    }
    if let Some(n) = value.downcast_ref::<CelUInt>() {
        return Some(*n.inner() as f64);
    }
    value.downcast_ref::<CelDouble>().map(|n| *n.inner())
}

/// Puts the counting functions into an expression.
pub(super) fn bound(node: &mut IdedExpr) {
    match &mut node.expr {
        Node::Unspecified | Node::Literal(_) | Node::Ident(_) => {}
        Node::Select(select) => bound(&mut select.operand),
        Node::Call(call) => {
            call.args.iter_mut().for_each(bound);
            if let Some(target) = &mut call.target {
                bound(target);
            }
            if let Some((_, name)) = ARITHMETIC.iter().find(|(operator, _)| call.func_name == *operator) {
                call.func_name = (*name).to_owned();
            }
            if call.func_name == "matches" {
                match (&mut call.target, call.args.first_mut()) {
                    (Some(target), _) => wrap(target, HEAVY),
                    (None, Some(text)) => wrap(text, HEAVY),
                    (None, None) => {}
                }
            }
        }
        Node::Comprehension(comprehension) => {
            let ComprehensionExpr { iter_range, accu_init, loop_step, accu_var, .. } = &mut **comprehension;
            bound(iter_range);
            wrap(iter_range, RANGE);
            bound(accu_init);
            bound_step(loop_step, accu_var);
        }
        Node::List(list) => list.elements.iter_mut().for_each(bound_item),
        Node::Map(map) => map.entries.iter_mut().for_each(|entry| bound_entry(&mut entry.expr)),
        Node::Struct(object) => object.entries.iter_mut().for_each(|entry| bound_entry(&mut entry.expr)),
    }
}

fn bound_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => bound_item(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            bound_item(&mut entry.key);
            bound_item(&mut entry.value);
        }
    }
}

/// What becomes part of a list or an object is copied into it.
fn bound_item(node: &mut IdedExpr) {
    bound(node);
    if !matches!(node.expr, Node::Literal(_)) {
        wrap(node, STEP);
    }
}

/// The step of a comprehension: what the macros put around the person's own expressions stays as it is, because the
/// interpreter recognises its shape and appends in place.
fn bound_step(node: &mut IdedExpr, accumulator: &str) {
    let is_accumulator = |node: &IdedExpr| matches!(&node.expr, Node::Ident(name) if name == accumulator);
    if is_accumulator(node) {
        return;
    }
    match &mut node.expr {
        Node::Call(call) if call.target.is_none() && call.args.iter().any(is_accumulator) => {
            for arg in &mut call.args {
                match &mut arg.expr {
                    Node::List(list) => list.elements.iter_mut().for_each(bound_counted),
                    _ => bound_step(arg, accumulator),
                }
            }
        }
        _ => bound_counted(node),
    }
}

fn bound_counted(node: &mut IdedExpr) {
    bound(node);
    wrap(node, STEP);
}

fn wrap(node: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(node);
    node.id = inner.id;
    node.expr = Node::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] });
}
