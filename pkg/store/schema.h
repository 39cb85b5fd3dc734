// The tables, as a list of migrations: entry i takes a database from version i to i + 1, and is
// never edited once released. PRAGMA user_version holds the version.
#pragma once

#include <array>

namespace p2pchat {

inline constexpr int kApplicationId = 0x70327063;  // "p2pc"

inline constexpr std::array kMigrations = {
    // Times are seconds since 1970. identity, iss and aud are thumbprints (IK).
    R"sql(
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
    )sql",
    // Blocked peers, how far a trusted one is trusted, and transports of our user's own.
    R"sql(
      CREATE TABLE peers_2 (
        id                INTEGER PRIMARY KEY,
        identity          TEXT NOT NULL UNIQUE,
        name              TEXT COLLATE NOCASE UNIQUE,  -- ours for the peer; none before it is accepted
        status            TEXT NOT NULL CHECK (status IN ('trusted', 'pending', 'blocked')),
        trust             TEXT NOT NULL CHECK (trust IN ('accepted', 'first-use', 'verified')),
        statement         TEXT NOT NULL,
        typed_address     TEXT NOT NULL COLLATE NOCASE,
        announced_address TEXT NOT NULL COLLATE NOCASE,
        via               TEXT NOT NULL,               -- command to reach it through, or ""
        told              TEXT NOT NULL,               -- address that we announced to it, or ""
        hint              TEXT NOT NULL,
        source            TEXT NOT NULL,
        registered        INTEGER NOT NULL,
        first_seen        INTEGER NOT NULL,
        last_seen         INTEGER NOT NULL,
        CHECK (status = 'blocked' OR (status = 'pending') = (name IS NULL))
      ) STRICT;
      INSERT INTO peers_2
        SELECT id, identity, name, status, 'accepted', statement, typed_address, announced_address,
               '', '', hint, source, registered, first_seen, last_seen
        FROM peers;
      DROP TABLE peers;
      ALTER TABLE peers_2 RENAME TO peers;
      CREATE INDEX peers_pending ON peers (source, first_seen) WHERE status = 'pending';
      CREATE INDEX peers_new ON peers (source, first_seen)
        WHERE status = 'pending' OR trust = 'first-use';
      CREATE INDEX peers_first_use ON peers (id) WHERE trust = 'first-use';
      CREATE INDEX peers_by_typed ON peers (typed_address) WHERE name IS NOT NULL;
      CREATE INDEX peers_by_announced ON peers (announced_address) WHERE name IS NOT NULL;
    )sql",
    // Handlers, and reading back what was sent and received.
    R"sql(
      CREATE INDEX messages_to_handle ON messages (id) WHERE state IN ('exec', 'handling');
      CREATE INDEX messages_by_peer
        ON messages (CASE direction WHEN 'in' THEN iss ELSE aud END, id, direction);
      CREATE INDEX messages_by_direction ON messages (direction, id);
      CREATE INDEX messages_by_time ON messages (time);
    )sql",
    // Messages of ours that are delivered later.
    R"sql(
      CREATE TABLE queue (
        message  INTEGER PRIMARY KEY REFERENCES messages (id),
        peer     TEXT NOT NULL,                        -- aud of the message
        attempts INTEGER NOT NULL,                     -- made by the queue
        next     INTEGER NOT NULL,                     -- not tried before
        failed   INTEGER NOT NULL CHECK (failed IN (0, 1)),  -- given up
        why      TEXT NOT NULL                         -- how the last attempt ended, or ""
      ) STRICT;
      CREATE INDEX queue_waiting ON queue (peer, message) WHERE failed = 0;
      -- Of ours: attempts that have begun after the first.
      ALTER TABLE messages ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0;
    )sql",
    // What a clean-up looks for with every message, and nothing that it would pass over: most that
    // has expired still has its body, and most strangers are new.
    R"sql(
      DROP INDEX messages_by_exp;
      CREATE INDEX messages_to_purge ON messages (exp) WHERE body IS NULL;
      CREATE INDEX peers_pending_by_age ON peers (first_seen) WHERE status = 'pending';
    )sql",
};

inline constexpr int kSchemaVersion = static_cast<int>(kMigrations.size());

}  // namespace p2pchat
