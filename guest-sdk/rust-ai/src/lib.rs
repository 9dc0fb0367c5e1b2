#![doc = include_str!("../README.md")]

mod api;
pub mod chat;
mod config;
pub mod embed;
mod endpoint;
mod failure;
mod gemini;
pub mod image;
mod media;
mod models;
pub mod moderate;
pub mod rerank;
pub mod schema;
pub mod speak;
pub mod transcribe;
mod vendors;
mod wire;

pub use api::{Api, Auth, Vendor};
pub use config::{Config, Price, ProviderConfig};
pub use endpoint::Endpoint;
pub use failure::Cause;
pub use models::{Used, Work};
