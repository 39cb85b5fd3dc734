-- A database as the first version of the program made it, with the peers and messages of a newer one,
-- which is attached as "newer". Never changes.
PRAGMA journal_mode = WAL;
CREATE TABLE peers (
  id                INTEGER PRIMARY KEY,
  identity          TEXT NOT NULL UNIQUE,
  name              TEXT COLLATE NOCASE UNIQUE,  -- ours for the peer; none while pending
  status            TEXT NOT NULL CHECK (status IN ('trusted', 'pending')),
  statement         TEXT NOT NULL,               -- the newest key statement, compact JWS
  typed_address     TEXT NOT NULL,               -- "host:port" from our user, or ""
  announced_address TEXT NOT NULL,               -- "host:port" from the peer, or ""
  hint              TEXT NOT NULL,               -- the name it gives itself
  source            TEXT NOT NULL,               -- the network a stranger came from
  registered        INTEGER NOT NULL,            -- iat of the last registration taken
  first_seen        INTEGER NOT NULL,
  last_seen         INTEGER NOT NULL,
  CHECK ((status = 'pending') = (name IS NULL))
) STRICT;
CREATE INDEX peers_pending ON peers (source, first_seen) WHERE status = 'pending';

CREATE TABLE messages (
  id        INTEGER PRIMARY KEY,                 -- in the order of storing
  direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
  iss       TEXT NOT NULL,
  aud       TEXT NOT NULL,
  jti       TEXT NOT NULL,
  hash      BLOB NOT NULL,                       -- over type, aud and body
  body      BLOB,                                -- null once deleted; the row stays
  time      INTEGER NOT NULL,                    -- stored, or first tried
  exp       INTEGER NOT NULL,
  state     TEXT NOT NULL,                       -- see messages.h
  reply     BLOB NOT NULL,
  rc        INTEGER NOT NULL,
  UNIQUE (direction, iss, aud, jti)
) STRICT;
CREATE INDEX messages_to_print ON messages (id) WHERE state = 'print';
CREATE INDEX messages_by_exp ON messages (exp);
CREATE INDEX messages_with_body ON messages (time) WHERE body IS NOT NULL;

CREATE TABLE marks (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;

INSERT INTO peers
  SELECT id, identity, name, status, statement, typed_address, announced_address, hint, source,
         registered, first_seen, last_seen
  FROM newer.peers;
INSERT INTO messages
  SELECT id, direction, iss, aud, jti, hash, body, time, exp, state, reply, rc FROM newer.messages;
PRAGMA application_id = 0x70327063;
PRAGMA user_version = 1;
