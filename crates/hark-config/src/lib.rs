//! Text to a tree with positions to typed values, with every error at once.
//!
//! A [`Document`] is made from one or several YAML files. Each domain crate reads its own part
//! through a [`Section`], a cursor that turns text into values that cannot be wrong. A reader
//! never returns a `Result`: what is wrong is put into the shared [`Diagnostics`] at its place, a
//! default stands in, and reading goes on, so that a person sees all mistakes at once.
//!
//! What this crate deliberately does not know: any key of any section, where files lie, and how a
//! file or the environment is read. Secrets that stand elsewhere come through the
//! [`SecretSource`] that the caller passes.
//!
//! Start at [`Document::parse`], then [`Section`].
#![deny(clippy::indexing_slicing)]

mod diagnostics;
mod document;
pub mod duration;
mod key;
mod manual;
mod merge;
mod nearest;
mod pairs;
mod path;
mod render;
mod schema;
mod secret;
mod secrets;
mod section;
pub mod size;
mod source;
mod tree;
mod value;
mod yaml;

pub use diagnostics::{Diagnostic, Diagnostics, Level, Note, Report};
pub use document::Document;
pub use duration::Bare;
pub use key::{Key, Kind};
pub use manual::{manual, manual_of_schema};
pub use nearest::nearest;
pub use render::Style;
pub use schema::{schema, schema_of};
pub use secret::{NoSecrets, SecretSource};
pub use secrets::each_secret;
pub use section::Section;
pub use source::{Position, SourceFile, Span, Spanned};
pub use tree::plain_json;
pub use value::Value;
pub use yaml::yaml;
