//! The one client of a FHIR server: reads, paged searches, counts and transactions.
