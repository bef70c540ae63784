-- A cell of the finest table, or a reason why a record is in none.
CREATE TABLE place (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason  text,               -- null for a cell
    year    integer,            -- null: unknown
    age     text,
    sex     text,
    vaccine text,               -- the generic's SNOMED CT code, or Unmapped
    dose    text,
    CHECK ((reason IS NULL) = (age IS NOT NULL AND sex IS NOT NULL AND vaccine IS NOT NULL AND dose IS NOT NULL))
);
CREATE UNIQUE INDEX place_known ON place (reason, year, age, sex, vaccine, dose) NULLS NOT DISTINCT;

-- What counting needs to know of a person; no name, no number, no address.
CREATE TABLE patient (
    id           text PRIMARY KEY,
    person       bigint NOT NULL,           -- the pseudonym
    birth_date   text NOT NULL DEFAULT '',  -- as written
    sex          text NOT NULL,
    replaced_by  text,                      -- the record that this one was merged into
    version      bigint NOT NULL,
    last_updated timestamptz NOT NULL
);
CREATE INDEX patient_replaced ON patient (replaced_by) WHERE replaced_by IS NOT NULL;

-- A record of the FHIR server. What was deleted stays as its last version, so that an older page cannot bring it back.
CREATE TABLE fact (
    id           text PRIMARY KEY,
    patient_id   text NOT NULL,
    occurrence   text NOT NULL,             -- as written
    vaccine      text NOT NULL,
    dose         text NOT NULL,
    reason       text,                      -- why it is not counted
    place        integer REFERENCES place (id), -- null: deleted
    person       bigint NOT NULL,
    version      bigint NOT NULL,
    last_updated timestamptz NOT NULL
);
CREATE INDEX fact_patient ON fact (patient_id);

-- How far the server was followed.
CREATE TABLE followed (
    resource_type text PRIMARY KEY,
    until         timestamptz NOT NULL,     -- everything that changed before is in the facts
    checked_at    timestamptz               -- when counts were last compared
);

-- Who follows it: one process of all replicas.
CREATE TABLE collector (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    owner    text NOT NULL,
    fence    bigint NOT NULL,
    held_until timestamptz NOT NULL
);

GRANT SELECT, INSERT ON place TO iidi_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON patient, fact TO iidi_service;
GRANT SELECT, INSERT, UPDATE ON followed, collector TO iidi_service;
