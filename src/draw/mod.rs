//! Floor 8: pictures of networks, runs and tables: labelled PNG files, SVG curves, and the
//! page that puts them together.
//!
//! [`canvas`] has pixels, rectangles and text; [`colour`] the two colour maps;
//! [`grid`] lays maps out in rows and columns beside a colour bar, [`sheet`] small pictures in
//! colour, [`heat_table`] shares. The others each
//! draw one kind of picture from plain numbers: nothing here runs a network.

pub mod activation_statistics;
pub mod canvas;
pub mod chart;
pub mod colour;
pub mod confusion;
pub mod curves;
pub mod filters;
pub mod grid;
pub mod heat_table;
pub mod heatmap;
pub mod histogram;
pub mod inside;
pub mod lab;
mod marks;
pub mod mistakes;
pub mod page;
mod plane;
pub mod sheet;
pub mod sweep;
pub mod tile;

pub use canvas::{Canvas, Theme};
pub use grid::Grid;
pub use plane::Plane;
