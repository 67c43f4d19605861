//! Floor 8: pictures of networks, runs and tables, and the page that puts them together.
//!
//! There is one way to draw: a [`Canvas`] is a list of marks, in colours by what they are for
//! ([`paint`]) and letters of known widths ([`letters`]). It is written as SVG ([`svg`]), which
//! [`raster`] turns into PNG, and as PDF ([`pdf`]). [`axis`] has the scales and ticks of every
//! chart and colour bar ([`bar`]), [`labels`] keeps names at lines apart. [`chart`] and [`marks`]
//! are charts of lines and of points; [`grid`] lays maps out in rows and columns, [`sheet`] small
//! pictures in colour, [`heat_table`] shares. The others each draw one kind of picture from plain
//! numbers: nothing here runs a network.

pub mod activation_statistics;
pub mod axis;
pub mod bar;
pub mod canvas;
pub mod chart;
pub mod colour;
pub mod confusion;
pub mod curves;
pub mod facets;
pub mod filters;
pub mod form;
pub mod grid;
pub mod heat_table;
pub mod heatmap;
pub mod histogram;
pub mod inside;
pub mod lab;
pub mod labels;
pub mod letters;
pub mod marks;
pub mod mistakes;
pub mod page;
pub mod paint;
pub mod pdf;
mod plane;
pub mod raster;
pub mod sheet;
pub mod svg;
pub mod sweep;
pub mod tile;
pub mod unit;

pub use canvas::Canvas;
pub use form::Form;
pub use grid::Grid;
pub use paint::Theme;
pub use plane::Plane;
