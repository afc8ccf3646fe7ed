-- What SCRAM needs to know of each account's password (RFC 5802 3), and the unique-ids of POP3 that outlive a repair.
--
-- Both tables are small and change rarely: with a password, and when a damaged store is mended.

-- A row counts only while its password_hash is its account's: so that keys of an old password are never taken, whoever
-- set the new one (an older version of ours does not know this table, and leaves its rows behind).
CREATE TABLE scram_keys (
  account_id    INTEGER PRIMARY KEY REFERENCES accounts(id),
  password_hash TEXT NOT NULL,             -- accounts.password_hash when the keys were made
  salt          BLOB NOT NULL,
  iterations    INTEGER NOT NULL,
  stored_key    BLOB NOT NULL,             -- 32 octets, as is the next
  server_key    BLOB NOT NULL
);

-- A mailbox that got a new UIDVALIDITY in a repair: messages below below_uid keep the unique-ids they had, of the old
-- one; those of several repairs stand in the order of below_uid. A message that comes later can be none of them.
CREATE TABLE unique_id_epochs (
  mailbox_id  INTEGER NOT NULL,
  below_uid   INTEGER NOT NULL,
  uidvalidity INTEGER NOT NULL,            -- the old one
  PRIMARY KEY (mailbox_id, below_uid)
) WITHOUT ROWID;
