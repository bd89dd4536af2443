//! JMESPath expressions, with four functions of our own.
//!
//! Invariant: an expression is bounded in length and nesting, because its parser recurses; it sees the message and what
//! the operator gave, nothing else.

use std::collections::BTreeMap;
use std::fmt;

use jmespath::Context;
use jmespath::ErrorReason;
use jmespath::JmespathError;
use jmespath::Rcvar;
use jmespath::Runtime;
use jmespath::Variable;
use jmespath::ast::Ast;
use jmespath::functions::ArgumentType;
use jmespath::functions::CustomFunction;
use jmespath::functions::Signature;
use serde_json::Value;
use serde_json::json;

use crate::grants::message::Mistake;
use crate::grants::presets::mapping::Mapping;
use crate::grants::presets::mapping::MappingError;
use crate::grants::presets::units;

const MAX_BYTES: usize = 4 << 10;
const MAX_NESTING: usize = 32;

/// The expressions of a mapping, by the field that they are for.
pub(super) struct Expressions {
    parsed: BTreeMap<String, (String, Ast)>,
    runtime: Runtime,
}

impl fmt::Debug for Expressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.parsed.iter().map(|(name, (text, _))| (name, text))).finish()
    }
}

impl Expressions {
    pub(super) fn compile(texts: &[(&str, &str)], mapping: &Mapping) -> Result<Self, MappingError> {
        let mut parsed = BTreeMap::new();
        for (field, text) in texts {
            let wrong =
                |what: String| MappingError::Expression { field: (*field).to_owned(), what };
            if text.len() > MAX_BYTES || nesting(text) > MAX_NESTING {
                return Err(wrong(format!(
                    "it is longer than {MAX_BYTES} bytes, or deeper than {MAX_NESTING}"
                )));
            }
            let ast = jmespath::parse(text).map_err(|error| wrong(said(&error)))?;
            parsed.insert((*field).to_owned(), ((*text).to_owned(), ast));
        }
        Ok(Self { parsed, runtime: runtime(mapping) })
    }

    /// Returns what the expression of `field` finds in `root`; null for nothing.
    pub(super) fn find(&self, field: &str, root: &Rcvar) -> Result<Value, Mistake> {
        let Some((text, ast)) = self.parsed.get(field) else { return Ok(Value::Null) };
        let wrong = |what: String| Mistake::new(field, format!("{what} (`{text}`)"));
        let mut context = Context::new(text, &self.runtime);
        let found =
            jmespath::interpret(root, ast, &mut context).map_err(|error| wrong(said(&error)))?;
        serde_json::to_value(&*found).map_err(|error| wrong(error.to_string()))
    }

    /// Returns whether the expression of `field` holds for `root`.
    pub(super) fn holds(&self, field: &str, root: &Rcvar) -> Result<bool, Mistake> {
        Ok(match self.find(field, root)? {
            Value::Null => false,
            Value::Bool(holds) => holds,
            Value::String(text) => !text.is_empty(),
            Value::Array(entries) => !entries.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Number(_) => true,
        })
    }
}

/// Returns `value` as expressions see it.
pub(super) fn variable(value: &Value) -> Result<Rcvar, Mistake> {
    let found = Variable::try_from(value).map(Rcvar::new);
    found.map_err(|error| Mistake::new("", said(&error)))
}

/// Returns how deep brackets are nested, those in texts included.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for letter in text.bytes() {
        match letter {
            b'(' | b'[' | b'{' | b'!' | b'&' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Returns what is wrong in a line, without the drawing of the place.
fn said(error: &JmespathError) -> String {
    let ErrorReason::Parse(text) = &error.reason else { return error.reason.to_string() };
    text.lines().next().unwrap_or_default().to_owned()
}

fn runtime(mapping: &Mapping) -> Runtime {
    let mut runtime = Runtime::new();
    runtime.register_builtin_functions();
    let tables = mapping.lookup.clone();
    let lookup = move |args: &[Rcvar], context: &mut Context<'_>| {
        let text = |index: usize| args[index].as_string().map(String::as_str).unwrap_or_default();
        let (table, key) = (text(0), text(1));
        match tables.get(table).and_then(|table| table.get(key)) {
            Some(found) => Variable::try_from(found).map(Rcvar::new),
            None => fail(context, format!("there is no `{key}` in [lookup.{table}]")),
        }
    };
    let one = |args: &[Rcvar], context: &mut Context<'_>| {
        let entries = args[0].as_array().map(Vec::as_slice).unwrap_or_default();
        match entries {
            [] => Ok(Rcvar::new(Variable::Null)),
            [first, rest @ ..] if rest.iter().all(|it| it == first) => Ok(Rcvar::clone(first)),
            _ => fail(
                context,
                "there are several that differ, and one grant has one scope".to_owned(),
            ),
        }
    };
    let strip_prefix = |args: &[Rcvar], _: &mut Context<'_>| {
        let text = |index: usize| args[index].as_string().map(String::as_str).unwrap_or_default();
        let rest = text(0).strip_prefix(text(1)).unwrap_or(text(0));
        Ok(Rcvar::new(Variable::String(rest.to_owned())))
    };
    let unit = mapping.units.time;
    let epoch = move |args: &[Rcvar], context: &mut Context<'_>| {
        let value = serde_json::to_value(&*args[0])?;
        match units::moment(&value, unit) {
            Ok(at) => Variable::try_from(json!(at.0)).map(Rcvar::new),
            Err(what) => fail(context, what),
        }
    };
    let (text, any) = (ArgumentType::String, ArgumentType::Any);
    let mut add = |name: &str, inputs: Vec<ArgumentType>, function| {
        let function = CustomFunction::new(Signature::new(inputs, None), function);
        runtime.register_function(name, Box::new(function));
    };
    add("lookup", vec![text.clone(), text.clone()], Box::new(lookup));
    add("one", vec![ArgumentType::Array], Box::new(one));
    add("strip_prefix", vec![text.clone(), text], Box::new(strip_prefix));
    add("epoch", vec![any], Box::new(epoch));
    runtime
}

fn fail(context: &Context<'_>, what: String) -> Result<Rcvar, JmespathError> {
    Err(JmespathError::from_ctx(context, ErrorReason::Parse(what)))
}
