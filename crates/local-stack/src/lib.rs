//! The real parts on one computer: PostgreSQL, Redis, HAPI FHIR, a local certificate authority.
