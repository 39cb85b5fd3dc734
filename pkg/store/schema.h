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
        state     TEXT NOT NULL,                       -- in: print printed; out: see messages.h
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
};

inline constexpr int kSchemaVersion = static_cast<int>(kMigrations.size());

}  // namespace p2pchat
