-- Who wrote a row, and the chain by which a removed or altered one shows.
ALTER TABLE audit_event ADD COLUMN writer text NOT NULL DEFAULT current_setting('application_name'); -- set by the pool
CREATE INDEX audit_event_writer ON audit_event (writer, id);

-- Each process links its rows, after they are committed, in a chain of its own. Only ever added to.
CREATE TABLE audit_link (
    chain    text NOT NULL,          -- the writer that linked
    seq      bigint NOT NULL,        -- 0 is the opening row
    event_id bigint NOT NULL UNIQUE, -- no foreign key: a row that is gone must show, not be forbidden
    hash     bytea NOT NULL,         -- SHA-256 of the hash before, the number, and all columns of the row
    PRIMARY KEY (chain, seq)
);
REVOKE ALL ON audit_link FROM PUBLIC;
GRANT SELECT, INSERT ON audit_link TO iidi_service;
