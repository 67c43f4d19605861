//! Floor 7: a page on which one draws a digit, or a few characters and one to be told by them,
//! and sees what the network makes of it, and the small server behind the page.
//!
//! ```text
//! bytes -> http::parse -> Site::answer -> Reader::read or Comparer::compare -> bytes
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /network` | [`About`] or [`AboutComparer`] as JSON |
//! | `POST /read`, a [`Drawing`] as JSON | [`Answer`] as JSON |
//! | `POST /compare`, a [`Question`] as JSON | [`Likeness`] as JSON |
//!
//! A network with classes of its own reads, one that was trained on episodes compares. The
//! support set is kept by the page, which sends its embeddings with each question: the server
//! holds nothing that a request can change.
//!
//! Everything else is answered with a status of 4xx and one line. [`Site::respond`] is
//! all of it but the sockets.
//!
//! Rates and places of connections are counted for each peer ([`Limits`]). All clients
//! behind a reverse proxy come from its address and share what one peer may have; a
//! proxy that serves many should limit them itself.

mod comparer;
mod hosts;
mod http;
mod limits;
mod peers;
mod places;
mod reader;
mod server;
mod site;

pub use comparer::{AboutComparer, Beside, Compared, Comparer, Likeness, Question};
pub use hosts::Hosts;
pub use http::{Request, Response, Sizes, parse};
pub use limits::Limits;
pub use reader::{About, Agreement, Answer, BitLayer, Drawing, Form, Reader};
pub use server::{Server, Stopper};
pub use site::Site;
