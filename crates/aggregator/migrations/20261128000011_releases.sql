-- Releases of one series hide the same cells.
CREATE TABLE series (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    threshold integer NOT NULL,
    state     bytea NOT NULL,               -- pattern, proofs, what waits
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    closed_at timestamptz                   -- null: goes on
);
CREATE UNIQUE INDEX series_open ON series ((true)) WHERE closed_at IS NULL;

-- What is in the numbers of the open series: who, by pseudonym, has how many doses where.
CREATE TABLE basis (
    place  integer NOT NULL REFERENCES place (id),
    person bigint NOT NULL,
    doses  integer NOT NULL,
    PRIMARY KEY (place, person)
);

-- Immutable.
CREATE TABLE release (
    id           bigint PRIMARY KEY,
    series       bigint NOT NULL REFERENCES series (id),
    as_of        timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,
    checksum     text NOT NULL,
    document     bytea NOT NULL             -- as it is sent
);

GRANT SELECT, INSERT, UPDATE ON series TO iidi_service;
GRANT SELECT, INSERT, DELETE ON basis TO iidi_service;
GRANT SELECT, INSERT ON release TO iidi_service;
