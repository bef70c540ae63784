-- What operators and the breaker need: parking, cancelling before the first attempt, purging.
ALTER TABLE transfer
    ADD COLUMN first_attempt_at timestamptz, -- set before the package leaves: from then on it cannot be cancelled
    ADD COLUMN parked_since     timestamptz, -- held back by the breaker or a pause; costs no horizon
    ADD COLUMN purged_at        timestamptz, -- when the package's bytes were deleted
    ADD COLUMN traceparent      text;        -- the W3C trace context of the request that made it
-- An attempt may have left for everything that was sealed under the first version.
UPDATE transfer SET first_attempt_at = updated_at WHERE digest IS NOT NULL;
CREATE INDEX transfer_parked ON transfer (transfer_to, updated_at) WHERE parked_since IS NOT NULL;
DROP INDEX transfer_due;
CREATE INDEX transfer_due ON transfer (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX transfer_open ON transfer (transfer_to, state) WHERE state IN ('requested', 'sealed', 'delivered', 'dead');
CREATE INDEX transfer_ended ON transfer (updated_at) WHERE purged_at IS NULL AND state IN ('completed', 'cancelled');

ALTER TABLE transfer_event
    ADD COLUMN actor  text, -- who, where it was an operator
    ADD COLUMN reason text; -- why, as the operator has given it

-- One row for each peer that has ever failed or been paused; all replicas share it.
CREATE TABLE peer_lane (
    peer          text PRIMARY KEY,
    failures      integer NOT NULL DEFAULT 0, -- in a row
    parked_at     timestamptz,                -- null: the breaker is closed
    next_probe_at timestamptz,
    probing_until timestamptz,                -- one worker tries the peer until then
    last_problem  jsonb,
    paused_at     timestamptz,
    paused_by     text,
    pause_reason  text,
    CHECK ((paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (pause_reason IS NULL)),
    CHECK (parked_at IS NULL OR next_probe_at IS NOT NULL)
);
GRANT SELECT, INSERT, UPDATE ON peer_lane TO iidi_service;
GRANT DELETE ON package TO iidi_service;
