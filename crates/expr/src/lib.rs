//! Expressions: what `${{ }}` and `if:` mean, exactly as GitHub evaluates them.
//!
//! A text becomes an [`Expression`], a [`Template`] or a [`Condition`] once,
//! and is then evaluated against a [`Scope`] as often as needed. Nothing here
//! opens a file or reads a clock; `hashFiles` and the status functions are
//! asked of the scope.

mod compare;
mod condition;
mod error;
mod evaluate;
mod expression;
mod fold;
mod format;
mod function;
mod json;
mod memory;
mod node;
mod number;
mod object;
mod parse;
mod scope;
mod template;
mod token;
mod value;

pub use compare::equal;
pub use condition::Condition;
pub use error::{Error, ErrorKind};
pub use evaluate::Partial;
pub use expression::{Expression, Reference};
pub use object::Object;
pub use scope::{FunctionName, Names, Scope};
pub use template::Template;
pub use value::{Kind, Value};
