//! The attribute macro of stepwell-sdk
