//! All programs, one after the other, and the page and the picture of what they find.

pub mod chart;
mod criterion;
mod machine;
pub mod page;
pub mod picture;
pub mod program;

pub use machine::Setting;
pub use program::{Part, Program};
