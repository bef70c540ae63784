-- The audit trail. Rows are only ever added: the services' role has no right to change or remove one.
CREATE TABLE audit_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    action      text NOT NULL,          -- what was done or refused, such as transfer.sealed
    outcome     text NOT NULL CHECK (outcome IN ('success', 'refused', 'failed')),
    forensic    boolean NOT NULL DEFAULT false, -- somebody should look into it
    actor       text NOT NULL,          -- token subject, SPIFFE id of the peer, or the service itself
    transfer_id uuid,
    peer        text,                   -- the other jurisdiction
    detail      jsonb NOT NULL DEFAULT '{}' -- codes and counts, never personal data
);
CREATE INDEX audit_event_transfer ON audit_event (transfer_id);
REVOKE ALL ON audit_event FROM PUBLIC;
GRANT SELECT, INSERT ON audit_event TO iidi_service;
