//! The deployment, rendered as a cluster would get it and held against rules. Needs no cluster and no stack; the
//! tools come from deploy/local/tools.sh.

mod addresses;
mod alerts;
mod cluster;
mod doors;
mod folders;
mod hardening;
mod images;
mod mesh;
mod network;
mod objects;
mod province;
mod recipes;
mod rights;
mod schemas;
mod stores;
mod wiring;
