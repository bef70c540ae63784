-- What the local API lists, and what is measured.
CREATE INDEX inbound_transfer_listed ON inbound_transfer (received_at DESC, sender DESC, id DESC);
CREATE INDEX inbound_transfer_open ON inbound_transfer (sender, state) WHERE state <> 'committed';
