//! Starts, stops and observes a service, and answers its errors.
