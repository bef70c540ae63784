-- One row for each place: millions of small rows, and their index, took longer to write than a release may take.
CREATE TABLE basis_by_place (
    place   integer PRIMARY KEY REFERENCES place (id),
    persons bytea NOT NULL              -- for each person the pseudonym (8 bytes) and the doses (4 bytes)
);
-- Pseudonyms are chance: there is nothing to compress.
ALTER TABLE basis_by_place ALTER COLUMN persons SET STORAGE EXTERNAL;
INSERT INTO basis_by_place (place, persons)
SELECT place, string_agg(int8send(person) || int4send(doses), '' ORDER BY person) FROM basis GROUP BY place;
DROP TABLE basis;
ALTER TABLE basis_by_place RENAME TO basis;

GRANT SELECT, INSERT, DELETE ON basis TO iidi_service;
