-- The first layout of store.db.
--
-- Few b-trees, since each one that a delivery touches costs 4-5 KiB on the card: a message filed in one mailbox
-- touches blobs, messages and mailboxes; a message for the outside blobs, queue_messages and queue_recipients.
-- A crash at any step leaves either all of a transaction or nothing of it; what was already written to a segment file
-- for a transaction that never committed lies beyond segments.used_octets and is written over.
-- Times are seconds since the epoch, UTC. Booleans are 0 or 1. JSON columns hold arrays of strings.

CREATE TABLE settings (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE administrators (
  name          TEXT PRIMARY KEY,
  password_hash TEXT NOT NULL,             -- argon2id, in its usual text form
  created_at    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE accounts (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  address          TEXT NOT NULL UNIQUE,   -- Address.key: NFC, case folded, A-label domain
  display_name     TEXT NOT NULL DEFAULT '',
  password_hash    TEXT NOT NULL,          -- argon2id
  created_at       INTEGER NOT NULL,
  last_uidvalidity INTEGER NOT NULL DEFAULT 0  -- the highest UIDVALIDITY ever given; never goes back
);

CREATE TABLE aliases (
  address TEXT PRIMARY KEY,                -- Address.key; `@domain` is the catch-all of a domain
  targets TEXT NOT NULL                    -- JSON array of addresses, here or elsewhere
) WITHOUT ROWID;

CREATE TABLE mailboxes (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id       INTEGER NOT NULL REFERENCES accounts(id),
  name             TEXT NOT NULL,          -- Unicode, levels separated by '/'; INBOX in capitals
  uidvalidity      INTEGER NOT NULL,
  uidnext          INTEGER NOT NULL DEFAULT 1,
  highest_modseq   INTEGER NOT NULL DEFAULT 1,  -- counts every change to this mailbox; only grows
  first_recent_uid INTEGER NOT NULL DEFAULT 1,  -- UIDs from here on have been announced \Recent to nobody yet
  special_use      TEXT,                   -- '\Sent' and so on, or NULL
  messages         INTEGER NOT NULL DEFAULT 0,  -- the next three are counted in the transaction that changes them
  unseen           INTEGER NOT NULL DEFAULT 0,
  size_octets      INTEGER NOT NULL DEFAULT 0,
  UNIQUE (account_id, name)
);

CREATE TABLE subscriptions (
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  name       TEXT NOT NULL,                -- may name a mailbox that does not exist (RFC 9051 6.3.7)
  PRIMARY KEY (account_id, name)
) WITHOUT ROWID;

-- Rows are small on purpose: a mailbox of ten thousand messages is some hundred pages to read at SELECT.
CREATE TABLE messages (
  mailbox_id    INTEGER NOT NULL REFERENCES mailboxes(id),
  uid           INTEGER NOT NULL,
  blob_id       INTEGER NOT NULL REFERENCES blobs(id),
  flags         INTEGER NOT NULL,          -- bits of store/flags.py
  keywords      TEXT NOT NULL DEFAULT '',  -- sorted, separated by one space
  modseq        INTEGER NOT NULL,
  internal_date INTEGER NOT NULL,          -- IMAP INTERNALDATE
  saved_at      INTEGER NOT NULL,          -- when it came into this mailbox (RFC 8514)
  size_octets   INTEGER NOT NULL,          -- prefix and content together: RFC822.SIZE
  PRIMARY KEY (mailbox_id, uid)
) WITHOUT ROWID;

-- Expunged UIDs, so that a client that was away can be told (RFC 7162 QRESYNC).
CREATE TABLE expunged (
  mailbox_id INTEGER NOT NULL,
  modseq     INTEGER NOT NULL,
  uid        INTEGER NOT NULL,
  PRIMARY KEY (mailbox_id, modseq, uid)
) WITHOUT ROWID;

-- One row per message content, however many mailboxes and queued recipients refer to it. The row with the highest id
-- is never deleted, only emptied, so that an id is never given twice (a reader may still hold it).
CREATE TABLE blobs (
  id            INTEGER PRIMARY KEY,
  refs          INTEGER NOT NULL,          -- messages rows + queue_messages rows that name it; 0: an emptied row
  size_octets   INTEGER NOT NULL,          -- of the content as received, without the prefix
  digest        BLOB NOT NULL,             -- BLAKE2b-128 of the content as received
  trace_id      TEXT NOT NULL,             -- which acceptance it came with; '' for APPEND
  prefix        BLOB NOT NULL,             -- header lines of ours that stand before the content in a mailbox
  structure     BLOB NOT NULL,             -- mime.structure.encode(); offsets count from the content's first octet
  segment_id    INTEGER REFERENCES segments(id),  -- NULL: the content is in `data`
  position      INTEGER NOT NULL DEFAULT 0,
  stored_octets INTEGER NOT NULL,          -- compressed
  data          BLOB                       -- the format of store/blobs.py; NULL: the content is in a segment
);

-- Append-only files blobs/NNNNNNNN.seg for contents too large for the database.
CREATE TABLE segments (
  id          INTEGER PRIMARY KEY,
  used_octets INTEGER NOT NULL,            -- where the next content goes
  live_octets INTEGER NOT NULL             -- of contents still referred to; 0: the file can go
);

-- Places in segments that no content lies in any more. Their blocks are given back some minutes later, when readers that
-- still hold the content had time to finish. Ids only grow, so that a sweep can tell what was there at the one before.
CREATE TABLE freed (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  segment_id    INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  stored_octets INTEGER NOT NULL
);

CREATE TABLE queue_messages (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  trace_id          TEXT NOT NULL,
  blob_id           INTEGER NOT NULL REFERENCES blobs(id),
  prefix            BLOB NOT NULL,         -- header lines that go before the content: DKIM-Signature, Received
  reverse_path      TEXT NOT NULL,         -- '' is the null reverse-path
  account_id        INTEGER,               -- who submitted it; NULL for reports and forwards
  accepted_at       REAL NOT NULL,
  size_octets       INTEGER NOT NULL,
  eight_bit         INTEGER NOT NULL,
  smtputf8          INTEGER NOT NULL,
  ret               TEXT,                  -- FULL, HDRS or NULL (RFC 3461 4.3)
  envid             TEXT,                  -- RFC 3461 4.4, decoded
  message_id_header TEXT NOT NULL,
  subject           TEXT NOT NULL
);

CREATE TABLE queue_recipients (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id      INTEGER NOT NULL REFERENCES queue_messages(id),
  address         TEXT NOT NULL,
  domain          TEXT NOT NULL,
  orcpt           TEXT,
  notify          TEXT NOT NULL DEFAULT '',     -- comma-separated, '' where nothing was asked
  state           TEXT NOT NULL DEFAULT 'waiting',  -- 'waiting' or 'held'
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at REAL NOT NULL,
  last_attempt_at REAL,
  last_reply      TEXT NOT NULL DEFAULT '',
  last_host       TEXT NOT NULL DEFAULT '',
  delay_warned    INTEGER NOT NULL DEFAULT 0
);
