-- Two pseudonyms of one person: a health number came or was corrected, a record was merged or its patient deleted. Kept
-- for as long as a series goes on that may count by either.
CREATE TABLE same_person (
    earlier bigint NOT NULL,
    later   bigint NOT NULL,
    PRIMARY KEY (earlier, later)
);
GRANT SELECT, INSERT, DELETE ON same_person TO iidi_service;
