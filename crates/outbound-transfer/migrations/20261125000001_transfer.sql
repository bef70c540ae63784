-- The origin's ledger of transfers. PostgreSQL is the truth; the queue only carries ids.
CREATE TABLE transfer (
    id                     uuid PRIMARY KEY,
    patient_id             text NOT NULL,
    transfer_to            text NOT NULL,
    approval_ref           text NOT NULL,
    destination_identifier jsonb,
    requested_by           text NOT NULL,
    requested_at           timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    horizon_ends_at        timestamptz NOT NULL,    -- after it the transfer is dead
    state                  text NOT NULL CHECK (state IN
        ('requested', 'sealed', 'delivered', 'completed', 'rejected', 'dead', 'cancelled')),
    attempts               integer NOT NULL DEFAULT 0, -- at the present step
    next_attempt_at        timestamptz,             -- null when nothing is to be done
    enqueued_at            timestamptz,             -- when its id last went to the queue
    last_problem           jsonb,
    live_patient_id        text,
    sealed_counts          jsonb NOT NULL DEFAULT '{}',
    digest                 bytea,
    receipt                jsonb,                   -- the payload, as verified
    receipt_jws            text,                    -- as received
    source                 text CHECK (source IN ('closed', 'kept', 'changed_since_seal', 'returned')),
    lease_owner            text,
    lease_until            timestamptz,
    lease                  bigint NOT NULL DEFAULT 0, -- fencing number: grows with each claim
    CHECK (state NOT IN ('sealed', 'delivered', 'completed') OR digest IS NOT NULL),
    CHECK (state NOT IN ('delivered', 'completed') OR receipt IS NOT NULL),
    CHECK (state <> 'completed' OR source IS NOT NULL)
);
CREATE UNIQUE INDEX transfer_unfinished_patient ON transfer (patient_id)
    WHERE state IN ('requested', 'sealed', 'delivered');
CREATE INDEX transfer_due ON transfer (next_attempt_at) WHERE state IN ('requested', 'sealed', 'delivered');
CREATE INDEX transfer_listed ON transfer (requested_at DESC, id DESC);
CREATE INDEX transfer_patient ON transfer (patient_id);

-- The sealed package: the same bytes for ever.
CREATE TABLE package (
    transfer_id uuid PRIMARY KEY REFERENCES transfer (id),
    key_id      text NOT NULL,
    bytes       bytea NOT NULL,  -- AES-256-GCM, bound to the transfer's id
    snapshot    jsonb NOT NULL   -- the version of every resource read, to notice changes before closing
);

-- The timeline that operators read.
CREATE TABLE transfer_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id uuid NOT NULL REFERENCES transfer (id),
    at          timestamptz NOT NULL,
    event       text NOT NULL,
    attempt     integer,
    problem     jsonb
);
CREATE INDEX transfer_event_transfer ON transfer_event (transfer_id, id);

-- What the queue has still to be told.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id uuid NOT NULL,
    lane        text NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON transfer TO iidi_service;
GRANT SELECT, INSERT ON package TO iidi_service;
GRANT SELECT, INSERT ON transfer_event TO iidi_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO iidi_service; -- UPDATE: rows are locked while they are published
