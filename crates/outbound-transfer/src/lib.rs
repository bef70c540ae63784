//! Seals a person's immunization record, delivers it to another province and closes the source on proof.
