-- The destination's ledger: what arrived, from whom, with what outcome.
CREATE TABLE inbound_transfer (
    sender        text NOT NULL,             -- from the client certificate
    id            uuid NOT NULL,
    digest        bytea NOT NULL,            -- SHA-256 of the package, fixed by the first delivery
    size          bigint NOT NULL,
    state         text NOT NULL CHECK (state IN ('received', 'planned', 'committed', 'refused')),
    received_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    lease         bigint NOT NULL DEFAULT 0, -- fencing number: grows with each claim
    lease_until   timestamptz,
    plan_attempts integer NOT NULL DEFAULT 0, -- failed attempts to carry the plan out after its first worker has gone
    plan_key_id   text,
    plan          bytea,                     -- AES-256-GCM, bound to sender and id; gone after the commit
    receipt       jsonb,                     -- the payload; never changes
    receipt_jws   text,                      -- its signature, renewed when the key's certificate has expired
    signed_until  timestamptz,
    problem       jsonb,                     -- why it was refused
    warnings      jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (sender, id),
    CHECK (state <> 'planned' OR plan IS NOT NULL),
    CHECK (state <> 'committed' OR (receipt IS NOT NULL AND plan IS NULL)),
    CHECK (state <> 'refused' OR problem IS NOT NULL)
);
CREATE INDEX inbound_transfer_planned ON inbound_transfer (lease_until) WHERE state = 'planned';

-- Who works on which person. Keys are hashes. A key of a stored plan is held until the plan is committed, also
-- over a restart; one taken before the plan may be taken over when its time is up.
CREATE TABLE match_lock (
    key          bytea PRIMARY KEY,
    sender       text NOT NULL,
    transfer_id  uuid NOT NULL,
    held_until   timestamptz NOT NULL
);
CREATE INDEX match_lock_transfer ON match_lock (sender, transfer_id);

-- What was received of each record, to tell whether it was corrected or deleted here since.
CREATE TABLE received_record (
    origin        text PRIMARY KEY,           -- CODE/Type/id
    resource_type text NOT NULL,
    local_id      text NOT NULL,
    content_hash  bytea NOT NULL,
    sender        text NOT NULL,
    transfer_id   uuid NOT NULL,
    received_at   timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON inbound_transfer TO iidi_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON match_lock TO iidi_service;
GRANT SELECT, INSERT, UPDATE ON received_record TO iidi_service;
