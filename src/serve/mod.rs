//! Floor 7: a page on which one draws a digit and sees what the network makes of
//! it, and the small server behind the page.
//!
//! ```text
//! bytes -> http::parse -> Site::answer -> Reader::read -> bytes
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /network` | [`About`] as JSON |
//! | `POST /read`, a [`Drawing`] as JSON | [`Answer`] as JSON |
//!
//! Everything else is answered with a status of 4xx and one line. [`Site::respond`] is
//! all of it but the sockets.
//!
//! Rates and places of connections are counted for each peer ([`Limits`]). All clients
//! behind a reverse proxy come from its address and share what one peer may have; a
//! proxy that serves many should limit them itself.

mod hosts;
mod http;
mod limits;
mod peers;
mod places;
mod reader;
mod server;
mod site;

pub use hosts::Hosts;
pub use http::{Request, Response, Sizes, parse};
pub use limits::Limits;
pub use reader::{About, Agreement, Answer, BitLayer, Drawing, Form, Reader};
pub use server::{Server, Stopper};
pub use site::Site;
