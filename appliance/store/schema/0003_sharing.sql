-- What an account may fill, what is noted on mailboxes, and who else may use them.
--
-- All three are small and change seldom; none of them is touched by a delivery but to read the row of one account's quota.
-- A number 0 where an account or a mailbox is named stands for nobody in particular: no row of either ever has it.

CREATE TABLE quotas (
  account_id INTEGER PRIMARY KEY REFERENCES accounts(id),
  octets     INTEGER,                      -- NULL: as the configuration says; 0: no limit
  messages   INTEGER                       -- the same
);

-- RFC 5464. Only what was set; what the server knows by itself has no row.
CREATE TABLE annotations (
  mailbox_id INTEGER NOT NULL,             -- 0: of the server
  account_id INTEGER NOT NULL,             -- whose private one it is; 0: shared
  entry      TEXT NOT NULL,                -- in small letters, such as /shared/comment
  value      BLOB NOT NULL,
  PRIMARY KEY (mailbox_id, account_id, entry)
) WITHOUT ROWID;

-- RFC 4314. The owner has all rights and no row. By account first: what is shared with me is asked for at every LIST.
CREATE TABLE mailbox_rights (
  account_id INTEGER NOT NULL,             -- who may; 0: every account
  mailbox_id INTEGER NOT NULL REFERENCES mailboxes(id),
  rights     TEXT NOT NULL,                -- letters of RFC 4314 2.1, at least one, each once, in its order
  PRIMARY KEY (account_id, mailbox_id)
) WITHOUT ROWID;
