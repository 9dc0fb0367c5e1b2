#![doc = include_str!("../README.md")]

mod api;
pub mod chat;
mod config;
mod endpoint;
mod failure;
mod models;
pub mod schema;

pub use api::{Api, Auth, Vendor};
pub use config::{Config, Price, ProviderConfig};
pub use endpoint::Endpoint;
pub use failure::Cause;
pub use models::Used;
