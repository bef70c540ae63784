//! What arrives from strangers, each with what must hold whatever it is.
//!
//! The bodies of the fuzz targets, which panic when something does not hold. The repository's own tests include
//! this file by its path and feed the same functions with fewer, mutated inputs.

pub mod digest_header;
pub mod gate;
pub mod jws;
