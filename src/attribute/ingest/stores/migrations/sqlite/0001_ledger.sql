-- Who may speak.
CREATE TABLE lineage (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  uuid     TEXT NOT NULL
) STRICT;

CREATE TABLE device (
  device_id       TEXT PRIMARY KEY CHECK (length(device_id) BETWEEN 1 AND 64),
  user_id         TEXT NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  name            TEXT NOT NULL,
  platform        TEXT NOT NULL,
  created_at_us   INTEGER NOT NULL,
  revoked_at_us   INTEGER,
  last_sync_at_us INTEGER,
  last_ping_at_us INTEGER,
  epoch           INTEGER NOT NULL DEFAULT 1 CHECK (epoch >= 1),
  last_ticket     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX device_by_user ON device (user_id);

CREATE TABLE token (
  token_id        INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256          BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
  device_id       TEXT NOT NULL REFERENCES device,
  created_at_us   INTEGER NOT NULL,
  revoked_at_us   INTEGER,
  last_used_at_us INTEGER
) STRICT;

CREATE TABLE link_code (
  sha256         BLOB PRIMARY KEY CHECK (length(sha256) = 32),
  user_id        TEXT NOT NULL,
  expires_at_us  INTEGER NOT NULL,
  request_id     TEXT,
  device_id      TEXT REFERENCES device
) STRICT, WITHOUT ROWID;

-- What was planned, and what came of it.
CREATE TABLE plan (
  plan_id        INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256         TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  kind           TEXT NOT NULL,
  document       TEXT NOT NULL,
  state          TEXT NOT NULL CHECK (state IN ('applying', 'applied', 'rolled_back')),
  chunks_done    INTEGER NOT NULL DEFAULT 0,
  chunk_count    INTEGER NOT NULL,
  started_at_us  INTEGER NOT NULL,
  finished_at_us INTEGER
) STRICT;
CREATE UNIQUE INDEX plan_one_at_a_time ON plan ((1)) WHERE state = 'applying';

CREATE TABLE plan_void (
  plan_id      INTEGER PRIMARY KEY REFERENCES plan,
  voided_at_us INTEGER NOT NULL
) STRICT;

-- What was said: append-only.
CREATE TABLE delivery (
  delivery_id     INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id      TEXT NOT NULL UNIQUE,
  device_id       TEXT NOT NULL REFERENCES device,
  epoch           INTEGER NOT NULL,
  seq             INTEGER NOT NULL,
  idempotency_key TEXT,
  body_sha256     BLOB NOT NULL CHECK (length(body_sha256) = 32),
  content_sha256  BLOB NOT NULL CHECK (length(content_sha256) = 32),
  inserted        INTEGER NOT NULL CHECK (inserted >= 0),
  skipped         INTEGER NOT NULL CHECK (skipped >= 0),
  late            INTEGER NOT NULL CHECK (late BETWEEN 0 AND inserted),
  received_at_us  INTEGER NOT NULL,
  plan_id         INTEGER REFERENCES plan
) STRICT;
CREATE UNIQUE INDEX delivery_by_key ON delivery (device_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE ledger (
  ledger_id   INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery_id INTEGER NOT NULL REFERENCES delivery,
  device_id   TEXT NOT NULL,
  source      TEXT NOT NULL CHECK (length(source) BETWEEN 1 AND 64),
  model       TEXT NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
  slot        INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 5000000),
  t_in        INTEGER NOT NULL CHECK (t_in BETWEEN 0 AND 1000000000000),
  t_cached    INTEGER NOT NULL CHECK (t_cached BETWEEN 0 AND 1000000000000),
  t_out       INTEGER NOT NULL CHECK (t_out BETWEEN 0 AND 1000000000000),
  t_reason    INTEGER NOT NULL CHECK (t_reason BETWEEN 0 AND 1000000000000),
  t_total     INTEGER NOT NULL CHECK (t_total BETWEEN 0 AND 1000000000000),
  epoch       INTEGER NOT NULL CHECK (epoch >= 0),
  seq         INTEGER NOT NULL CHECK (seq >= 0),
  sub         INTEGER NOT NULL CHECK (sub >= 0),
  fix         INTEGER NOT NULL CHECK (fix >= 0),
  plan_id     INTEGER REFERENCES plan
) STRICT;
CREATE UNIQUE INDEX ledger_by_order ON ledger (device_id, epoch, seq, sub, fix);
CREATE INDEX ledger_by_key ON ledger (device_id, slot, source, model);

-- Ledger rows that a retention plan moved into an archive file, so that what a delivery counted stays accountable.
CREATE TABLE archived (
  delivery_id INTEGER NOT NULL REFERENCES delivery,
  plan_id     INTEGER NOT NULL REFERENCES plan,
  row_count   INTEGER NOT NULL CHECK (row_count > 0),
  PRIMARY KEY (delivery_id, plan_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER delivery_is_append_only_u BEFORE UPDATE ON delivery
BEGIN SELECT raise(ABORT, 'delivery is append-only'); END;
CREATE TRIGGER delivery_is_append_only_d BEFORE DELETE ON delivery
BEGIN SELECT raise(ABORT, 'delivery is append-only'); END;
CREATE TRIGGER ledger_is_append_only_u BEFORE UPDATE ON ledger
BEGIN SELECT raise(ABORT, 'ledger is append-only'); END;
CREATE TRIGGER ledger_is_append_only_d BEFORE DELETE ON ledger
WHEN NOT EXISTS (SELECT 1 FROM plan WHERE kind = 'retention' AND state = 'applying')
BEGIN SELECT raise(ABORT, 'ledger is append-only'); END;

CREATE TABLE seal (
  seal_id          INTEGER PRIMARY KEY,
  last_delivery_id INTEGER NOT NULL UNIQUE,
  sha256           BLOB NOT NULL CHECK (length(sha256) = 32)
) STRICT;
CREATE TRIGGER seal_is_append_only_u BEFORE UPDATE ON seal
BEGIN SELECT raise(ABORT, 'seal is append-only'); END;
CREATE TRIGGER seal_is_append_only_d BEFORE DELETE ON seal
BEGIN SELECT raise(ABORT, 'seal is append-only'); END;

-- What holds, and what is derived from it.
CREATE TABLE fact (
  user_id   TEXT NOT NULL,
  slot      INTEGER NOT NULL,
  source    TEXT NOT NULL,
  model     TEXT NOT NULL,
  device_id TEXT NOT NULL,
  t_in      INTEGER NOT NULL,
  t_cached  INTEGER NOT NULL,
  t_out     INTEGER NOT NULL,
  t_reason  INTEGER NOT NULL,
  t_total   INTEGER NOT NULL,
  epoch     INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  sub       INTEGER NOT NULL,
  fix       INTEGER NOT NULL,
  ledger_id INTEGER NOT NULL,
  PRIMARY KEY (user_id, slot, source, model, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE gen (
  gen_id        INTEGER PRIMARY KEY AUTOINCREMENT,
  state         TEXT NOT NULL CHECK (state IN ('building', 'active', 'retired')),
  plan_id       INTEGER REFERENCES plan,
  created_at_us INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX gen_one_active ON gen (state) WHERE state = 'active';

CREATE TABLE rollup_day (
  gen_id   INTEGER NOT NULL REFERENCES gen,
  user_id  TEXT NOT NULL,
  day      INTEGER NOT NULL,
  source   TEXT NOT NULL,
  model    TEXT NOT NULL,
  t_in     INTEGER NOT NULL,
  t_cached INTEGER NOT NULL,
  t_out    INTEGER NOT NULL,
  t_reason INTEGER NOT NULL,
  t_total  INTEGER NOT NULL,
  PRIMARY KEY (gen_id, user_id, day, source, model)
) STRICT, WITHOUT ROWID;

-- What a billable total is: weights of the five counters; the empty source is the default. Versions never change.
CREATE TABLE rule (
  version  INTEGER NOT NULL CHECK (version >= 1),
  source   TEXT NOT NULL,
  w_in     INTEGER NOT NULL,
  w_cached INTEGER NOT NULL,
  w_out    INTEGER NOT NULL,
  w_reason INTEGER NOT NULL,
  w_total  INTEGER NOT NULL,
  PRIMARY KEY (version, source)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER rule_is_append_only_u BEFORE UPDATE ON rule
BEGIN SELECT raise(ABORT, 'rule is append-only'); END;
CREATE TRIGGER rule_is_append_only_d BEFORE DELETE ON rule
BEGIN SELECT raise(ABORT, 'rule is append-only'); END;

CREATE TABLE active_rule (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  version  INTEGER NOT NULL
) STRICT;

-- Rows that the records vendor has not confirmed (empty unless one is configured).
CREATE TABLE vendor_pending (
  ledger_id INTEGER PRIMARY KEY REFERENCES ledger
) STRICT;
CREATE TABLE vendor_seen (
  only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
  last_ledger_id INTEGER NOT NULL
) STRICT;

INSERT INTO gen (gen_id, state, created_at_us) VALUES (1, 'active', 0);
INSERT INTO vendor_seen VALUES (1, 0);
INSERT INTO rule VALUES
  (1, '',           0, 0, 0, 0, 1),
  (1, 'claude',     1, 1, 1, 1, 0),
  (1, 'codex',      1, 0, 1, 1, 0),
  (1, 'every-code', 1, 0, 1, 1, 0),
  (1, 'opencode',   1, 1, 1, 1, 0);
INSERT INTO active_rule VALUES (1, 1);
