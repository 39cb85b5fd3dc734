INSERT INTO peers (identity, name, status, trust, statement, typed_address, announced_address, via,
                   told, hint, source, registered, first_seen, last_seen)
VALUES
  ('BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA', 'bob', 'trusted', 'accepted', '', 'bob.example:4040', '192.0.2.2:1', '', '', 'Bob', '', 1, 2, 1700000000),
  ('CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA', 'Carol', 'trusted', 'verified', '', '', '[2001:db8::7]:4041', '', '', '', '', 1, 2, 0),
  ('DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDA', 'peer-DDDDDDDD', 'trusted', 'first-use', '', '', '', '', '', 'two words', 'x', 1, 2, 1700000001),
  ('EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEA', 'eve', 'blocked', 'accepted', '', '', '', '', '', 'say "hi" \ bye', 'x', 1, 2, 3),
  ('-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', NULL, 'pending', 'accepted', '', '', ':0', '', '', 'Zoë', 'x', 1, 2, 4);
