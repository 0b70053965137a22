//! How a console shows values: bounded in depth, width and length, and without running any code of the script.

use boa_engine::{
    Context, JsError, JsObject, JsString, JsSymbol, JsValue, JsVariant,
    builtins::{
        date::Date, error::Error, map::ordered_map::OrderedMap, promise::PromiseState, proxy::Proxy,
        set::ordered_set::OrderedSet,
    },
    object::builtins::{JsArrayBuffer, JsDate, JsTypedArray},
    property::{PropertyDescriptor, PropertyKey},
};

use crate::{
    convert::{map_entries, set_items, to_js},
    failure, look,
    state::State,
};

/// How deep objects are opened.
const DEPTH: usize = 4;
/// How many items of a list and properties of an object are shown.
const ITEMS: usize = 100;
/// How wide a line may become before an object is spread over several.
const WIDTH: usize = 76;
/// The longest text of one string inside an object.
const TEXT: usize = 2000;
/// The longest text of all.
const SHOWN: usize = 20_000;

/// A value as a cell's result: text as it is, all else as in a console.
pub(crate) fn result(value: &JsValue, context: &mut Context) -> String {
    match value.as_string() {
        Some(text) if text.is_empty() => "''".to_owned(),
        Some(text) => text.to_std_string_lossy(),
        None => value_text(value, context),
    }
}

/// What `console.log` prints for its arguments; `%s`, `%d`, `%i`, `%f`, `%j`, `%o` and `%O` in the first are filled in.
pub(crate) fn printed(args: &[JsValue], context: &mut Context) -> String {
    let mut rest = args;
    let mut out = String::new();
    if let Some(format) = args.first().and_then(JsValue::as_string).filter(|_| args.len() > 1) {
        rest = &args[1..];
        let format = format.to_std_string_lossy();
        let mut characters = format.chars().peekable();
        while let Some(c) = characters.next() {
            let kind = characters.peek().copied().filter(|_| c == '%');
            match (kind, rest.first()) {
                (Some('%'), _) => {
                    characters.next();
                    out.push('%');
                }
                (Some('s'), Some(value)) => out.push_str(&plain(value, context)),
                (Some('d' | 'i' | 'f'), Some(value)) => {
                    let number = value.as_number();
                    out.push_str(&number.map_or_else(|| "NaN".to_owned(), |n| JsValue::from(n).display().to_string()));
                }
                (Some('j' | 'o' | 'O'), Some(value)) => out.push_str(&value_text(value, context)),
                _ => {
                    out.push(c);
                    continue;
                }
            }
            if kind != Some('%') {
                characters.next();
                rest = &rest[1..];
            }
        }
        if !rest.is_empty() {
            out.push(' ');
        }
    }
    let parts: Vec<String> = rest.iter().map(|value| plain(value, context)).collect();
    out + &parts.join(" ")
}

fn plain(value: &JsValue, context: &mut Context) -> String {
    match value.as_string() {
        Some(text) => text.to_std_string_lossy(),
        None => value_text(value, context),
    }
}

/// A value as in a console, strings in quotes.
pub(crate) fn value_text(value: &JsValue, context: &mut Context) -> String {
    let mut shower = Shower { context, seen: Vec::new(), length: 0 };
    let mut text = shower.value(value, 0);
    if text.len() > SHOWN {
        let mut end = SHOWN;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// One line for an error that is no longer to be looked at as a value.
pub(crate) fn error_line(error: &JsError) -> String {
    let text = match error.as_native() {
        Some(native) => format!("{}: {}", native.kind(), native.message()),
        None => error.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

struct Shower<'c> {
    context: &'c mut Context,
    seen: Vec<JsObject>,
    /// What is shown already, roughly.
    length: usize,
}

impl Shower<'_> {
    fn value(&mut self, value: &JsValue, depth: usize) -> String {
        let text = match value.variant() {
            JsVariant::Undefined => "undefined".to_owned(),
            JsVariant::Null => "null".to_owned(),
            JsVariant::Boolean(truth) => truth.to_string(),
            JsVariant::Integer32(integer) => integer.to_string(),
            JsVariant::Float64(number) if number == 0.0 && number.is_sign_negative() => "-0".to_owned(),
            JsVariant::Float64(_) => value.display().to_string(),
            JsVariant::String(text) => quote(&text.to_std_string_lossy()),
            JsVariant::BigInt(big) => format!("{big}n"),
            JsVariant::Symbol(symbol) => symbol.descriptive_string().to_std_string_lossy(),
            JsVariant::Object(object) => return self.object(&object, depth),
        };
        self.length += text.len();
        text
    }

    fn object(&mut self, object: &JsObject, depth: usize) -> String {
        if self.seen.iter().any(|seen| JsObject::equals(seen, object)) {
            return "[Circular]".to_owned();
        }
        if object.is::<Proxy>() {
            return self.proxy(object, depth);
        }
        if object.is_callable() {
            let head = function_head(object);
            let parts = self.properties(object, depth, &["name", "length", "prototype"]);
            return if parts.is_empty() { head } else { join(&format!("{head} "), '{', &parts, '}', depth) };
        }
        if object.is::<Error>() {
            return self.error(object, depth);
        }
        if let Some(text) = self.leaf(object) {
            self.length += text.len();
            return text;
        }
        let class = look::class_name(object);
        if depth > DEPTH || self.length > SHOWN {
            return format!("[{}]", class.as_deref().unwrap_or("Object"));
        }
        self.seen.push(object.clone());
        let text = self.open(object, class, depth);
        self.seen.pop();
        text
    }

    /// The proxies that scripts meet are mostly `vars`; what another would answer is not known without running it.
    fn proxy(&mut self, object: &JsObject, depth: usize) -> String {
        let state = State::of(self.context);
        let is_vars = state.vars_object.borrow().as_ref().is_some_and(|vars| JsObject::equals(vars, object));
        let vars = state.vars.borrow().clone().filter(|_| is_vars);
        let Some(vars) = vars else {
            return if object.is_callable() { "[Function (proxy)]" } else { "Proxy {}" }.to_owned();
        };
        let values = serde_json::Value::Object(vars.snapshot().into_iter().collect());
        match to_js(&values, self.context) {
            Ok(values) => self.value(&values, depth),
            Err(_) => "vars {}".to_owned(),
        }
    }

    /// Objects that are shown by one word.
    fn leaf(&mut self, object: &JsObject) -> Option<String> {
        if object.is::<Date>() {
            let date = JsDate::from_object(object.clone()).ok()?;
            let text = date.to_iso_string(self.context).ok().and_then(|text| text.as_string());
            return Some(text.map_or_else(|| "Invalid Date".to_owned(), |text| text.to_std_string_lossy()));
        }
        if let Some(text) = look::regexp(object, self.context) {
            return Some(text);
        }
        if let Some(primitive) = look::boxed(object) {
            let class = look::class_name(object).unwrap_or_else(|| "Object".to_owned());
            return Some(format!("[{class}: {}]", self.value(&primitive, 0)));
        }
        let name = look::class_name(object)?;
        matches!(name.as_str(), "WeakMap" | "WeakSet").then(|| format!("{name} {{ <items unknown> }}"))
    }

    fn open(&mut self, object: &JsObject, class: Option<String>, depth: usize) -> String {
        if object.is_array() {
            let mut parts = self.items(object, depth);
            parts.extend(self.properties(object, depth, &["length"]));
            let head = class.filter(|class| class != "Array").map(|class| format!("{class} ")).unwrap_or_default();
            return join(&head, '[', &parts, ']', depth);
        }
        if let (true, Ok(entries)) = (object.is::<OrderedMap<JsValue>>(), map_entries(object)) {
            let count = entries.len();
            let mut parts: Vec<String> = entries
                .iter()
                .take(ITEMS)
                .map(|(key, value)| format!("{} => {}", self.value(key, depth + 1), self.value(value, depth + 1)))
                .collect();
            more(&mut parts, count);
            return join(&format!("{}({count}) ", class.as_deref().unwrap_or("Map")), '{', &parts, '}', depth);
        }
        if let (true, Ok(items)) = (object.is::<OrderedSet>(), set_items(object)) {
            let count = items.len();
            let mut parts: Vec<String> = items.iter().take(ITEMS).map(|item| self.value(item, depth + 1)).collect();
            more(&mut parts, count);
            return join(&format!("{}({count}) ", class.as_deref().unwrap_or("Set")), '{', &parts, '}', depth);
        }
        if let Ok(typed) = JsTypedArray::from_object(object.clone()) {
            let count = typed.length(self.context).unwrap_or(0);
            let mut parts = Vec::new();
            for i in 0..count.min(ITEMS) {
                let item = object.get(i, self.context).unwrap_or_default();
                parts.push(self.value(&item, depth + 1));
            }
            more(&mut parts, count);
            return join(&format!("{}({count}) ", class.as_deref().unwrap_or("TypedArray")), '[', &parts, ']', depth);
        }
        if let Ok(buffer) = JsArrayBuffer::from_object(object.clone()) {
            let bytes = buffer.data().map_or(0, |bytes| bytes.len());
            return format!("ArrayBuffer {{ byteLength: {bytes} }}");
        }
        if let Some(promise) = JsValue::from(object.clone()).as_promise() {
            let inside = match promise.state() {
                PromiseState::Pending => "<pending>".to_owned(),
                PromiseState::Fulfilled(value) => self.value(&value, depth + 1),
                PromiseState::Rejected(value) => format!("<rejected> {}", self.value(&value, depth + 1)),
            };
            return join("Promise ", '{', &[inside], '}', depth);
        }
        let parts = self.properties(object, depth, &[]);
        let head = match class {
            None => "[Object: null prototype] ".to_owned(),
            Some(class) if class == "Object" => String::new(),
            Some(class) => format!("{class} "),
        };
        join(&head, '{', &parts, '}', depth)
    }

    fn items(&mut self, object: &JsObject, depth: usize) -> Vec<String> {
        let length = look::own(object, &JsString::from("length").into())
            .and_then(|length| length.value().and_then(JsValue::as_number))
            .unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length is a whole number")]
        let length = length.max(0.0) as usize;
        let mut parts = Vec::new();
        for i in 0..length.min(ITEMS) {
            if self.length > SHOWN {
                break;
            }
            let key = PropertyKey::from(u32::try_from(i).unwrap_or(0));
            parts.push(match look::own(object, &key) {
                Some(found) => self.property_value(&found, depth + 1),
                None => "<empty>".to_owned(),
            });
        }
        more(&mut parts, length);
        parts
    }

    fn properties(&mut self, object: &JsObject, depth: usize, hidden: &[&str]) -> Vec<String> {
        if depth > DEPTH {
            return Vec::new();
        }
        let Ok(keys) = object.own_property_keys(self.context) else { return Vec::new() };
        let is_array = object.is_array();
        let mut parts = Vec::new();
        let mut count = 0;
        for key in keys {
            let name = key.to_string();
            if hidden.contains(&name.as_str()) || (is_array && matches!(key, PropertyKey::Index(_))) {
                continue;
            }
            let Some(found) = look::own(object, &key).filter(|found| found.enumerable() == Some(true)) else {
                continue;
            };
            count += 1;
            if count > ITEMS || self.length > SHOWN {
                continue;
            }
            let shown = match &key {
                PropertyKey::Symbol(_) => format!("[{name}]"),
                _ if look::is_name(&name) || matches!(key, PropertyKey::Index(_)) => name,
                _ => quote(&name),
            };
            self.length += shown.len() + 4;
            parts.push(format!("{shown}: {}", self.property_value(&found, depth + 1)));
        }
        more(&mut parts, count);
        parts
    }

    fn property_value(&mut self, found: &PropertyDescriptor, depth: usize) -> String {
        let callable = |value: Option<&JsValue>| value.is_some_and(JsValue::is_callable);
        match found.value() {
            Some(value) => self.value(value, depth),
            None => match (callable(found.get()), callable(found.set())) {
                (true, true) => "[Getter/Setter]".to_owned(),
                (false, true) => "[Setter]".to_owned(),
                _ => "[Getter]".to_owned(),
            },
        }
    }

    fn error(&mut self, object: &JsObject, depth: usize) -> String {
        let state = State::of(self.context);
        let (name, message) = failure::name_and_message(object);
        let mut text = if message.is_empty() { name } else { format!("{name}: {message}") };
        if depth == 0 {
            for place in failure::trace(&state, &JsError::from_opaque(object.clone().into())) {
                text.push_str(&format!("\n    at {}:{}", place.source, place.line));
                text.push_str(&place.column.map(|column| format!(":{column}")).unwrap_or_default());
            }
        }
        self.seen.push(object.clone());
        let parts = self.properties(object, depth, &["message", "stack", "name"]);
        self.seen.pop();
        self.length += text.len();
        match (parts.is_empty(), depth) {
            (true, 0) => text,
            (true, _) => format!("[{text}]"),
            (false, _) => join(&format!("{text} "), '{', &parts, '}', depth),
        }
    }
}

fn function_head(object: &JsObject) -> String {
    let name = look::text_property(object, "name").filter(|name| !name.is_empty());
    let own_prototype = look::own(object, &JsString::from("prototype").into());
    let is_class = own_prototype.is_some_and(|found| found.writable() == Some(false)) && object.is_constructor();
    let native = object.is::<boa_engine::builtins::function::OrdinaryFunction>();
    if is_class && native {
        return format!("[class {}]", name.as_deref().unwrap_or("(anonymous)"));
    }
    let tag = object.prototype().and_then(|prototype| {
        let found = look::own(&prototype, &JsSymbol::to_string_tag().into())?;
        found.value().and_then(JsValue::as_string).map(|text| text.to_std_string_lossy())
    });
    let kind = tag.unwrap_or_else(|| "Function".to_owned());
    match name {
        Some(name) => format!("[{kind}: {name}]"),
        None => format!("[{kind} (anonymous)]"),
    }
}

fn more(parts: &mut Vec<String>, count: usize) {
    let hidden = count.saturating_sub(parts.len());
    if hidden > 0 {
        parts.push(format!("... {hidden} more item{}", if hidden == 1 { "" } else { "s" }));
    }
}

fn join(head: &str, open: char, parts: &[String], close: char, depth: usize) -> String {
    if parts.is_empty() {
        return format!("{head}{open}{close}");
    }
    let length = head.len() + parts.iter().map(|part| part.len() + 2).sum::<usize>();
    if length + depth * 2 <= WIDTH && parts.iter().all(|part| !part.contains('\n')) {
        return format!("{head}{open} {} {close}", parts.join(", "));
    }
    let indent = "  ".repeat(depth + 1);
    let short = open == '[' && parts.len() > 6 && parts.iter().all(|part| part.len() <= 16 && !part.contains('\n'));
    let body = if short { wrapped(parts, &indent) } else { parts.join(&format!(",\n{indent}")) };
    format!("{head}{open}\n{indent}{body}\n{}{close}", "  ".repeat(depth))
}

/// Short items, several to a line.
fn wrapped(parts: &[String], indent: &str) -> String {
    let mut out = String::new();
    let mut width = indent.len();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            out.push(',');
            if width + part.len() + 2 > WIDTH {
                out.push('\n');
                out.push_str(indent);
                width = indent.len();
            } else {
                out.push(' ');
                width += 2;
            }
        }
        out.push_str(part);
        width += part.len();
    }
    out
}

fn quote(text: &str) -> String {
    let (shown, rest) = match text.char_indices().nth(TEXT) {
        Some((end, _)) => (&text[..end], text[end..].chars().count()),
        None => (text, 0),
    };
    let mark = ['\'', '"', '`'].into_iter().find(|mark| !shown.contains(*mark)).unwrap_or('\'');
    let mut out = String::with_capacity(shown.len() + 2);
    out.push(mark);
    for c in shown.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(mark);
    if rest > 0 {
        out.push_str(&format!("... {rest} more characters"));
    }
    out
}
