#![doc = include_str!("../README.md")]

mod api;
mod config;
mod endpoint;
mod failure;
mod models;

pub use api::{Api, Auth, Vendor};
pub use config::{Price, ProviderConfig};
pub use endpoint::Endpoint;
pub use failure::Cause;
pub use models::Used;
