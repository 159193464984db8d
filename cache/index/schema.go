package index

// schemaVersion is stored in user_version. A file of a later version is refused, an earlier one is brought up by migrate.
const schemaVersion = 1

// schema is the whole of version 1. Times are Unix nanoseconds, names are bytes.
const schema = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;

CREATE TABLE nodes (
  ino INTEGER PRIMARY KEY AUTOINCREMENT,
  mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, rdev INTEGER NOT NULL,
  nlink INTEGER NOT NULL, size INTEGER NOT NULL,
  atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, btime INTEGER NOT NULL,
  target BLOB,                          -- of a symlink
  content INTEGER NOT NULL DEFAULT 0,   -- contents.cid; 0: nothing is held here
  chg INTEGER NOT NULL DEFAULT 0,       -- grows with each change of the content that the service must learn of
  flags INTEGER NOT NULL DEFAULT 0,
  link TEXT                             -- hard-link group, as the sidecars name it
);
CREATE INDEX nodes_flagged ON nodes(flags) WHERE flags & 1;
CREATE INDEX nodes_unlinked ON nodes(nlink) WHERE nlink = 0;
CREATE INDEX nodes_link ON nodes(link) WHERE link IS NOT NULL;

CREATE TABLE entries (
  eid INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL
);
CREATE UNIQUE INDEX entries_name ON entries(parent, name);
CREATE INDEX entries_order ON entries(parent, eid);
CREATE INDEX entries_ino ON entries(ino);

CREATE TABLE xattrs (
  ino INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (ino, name)
) WITHOUT ROWID;

CREATE TABLE contents (
  cid INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL, size INTEGER NOT NULL,
  complete INTEGER NOT NULL, dirty INTEGER NOT NULL, extents BLOB,
  synced INTEGER NOT NULL, boot TEXT NOT NULL
);
CREATE INDEX contents_unsynced ON contents(synced) WHERE synced = 0;

CREATE TABLE drops (
  ino INTEGER PRIMARY KEY,              -- the directory
  id TEXT UNIQUE,                       -- NULL until the service has made it
  spec_gb REAL NOT NULL, spec_days INTEGER NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL,
  max_size INTEGER NOT NULL, max_file INTEGER NOT NULL, used INTEGER NOT NULL,
  listed INTEGER NOT NULL,              -- when its listing was last merged; 0: never
  gone INTEGER NOT NULL, added INTEGER NOT NULL, url TEXT NOT NULL
);

-- What the service holds, as far as we know: the base of every merge.
CREATE TABLE assets (
  drop_ino INTEGER NOT NULL, id TEXT NOT NULL,
  wire TEXT NOT NULL, size INTEGER NOT NULL, type TEXT NOT NULL, etag TEXT NOT NULL, md5 TEXT NOT NULL,
  created INTEGER NOT NULL, seq INTEGER NOT NULL,
  eid INTEGER NOT NULL,                 -- the entry it is the copy of; 0: none, a delete is queued
  chg INTEGER NOT NULL,                 -- the nodes.chg whose bytes it has
  old INTEGER NOT NULL,                 -- 1: replaced; goes once its entry is in step
  mine INTEGER NOT NULL,                -- 1: made by this replica
  shadow TEXT NOT NULL DEFAULT '',      -- the wire name under which it is shown, where not its own
  PRIMARY KEY (drop_ino, id)
) WITHOUT ROWID;
CREATE INDEX assets_eid ON assets(eid);
CREATE INDEX assets_wire ON assets(drop_ino, wire);

CREATE TABLE ops (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, target INTEGER NOT NULL, asset TEXT NOT NULL DEFAULT '',
  first INTEGER NOT NULL, due INTEGER NOT NULL,  -- when it was queued, when it may be sent
  saga BLOB, err TEXT NOT NULL DEFAULT '', refused INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX ops_target ON ops(kind, target, asset);

-- Entries that got a conflict name, until they are removed or renamed by somebody.
CREATE TABLE conflicts (eid INTEGER PRIMARY KEY);

CREATE TABLE trash (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL, parent INTEGER NOT NULL, name BLOB NOT NULL, path BLOB NOT NULL,
  at INTEGER NOT NULL, drop_ino INTEGER NOT NULL, asset TEXT NOT NULL, chg INTEGER NOT NULL
);

-- What conversions made: content of an inode without a name, found by its key.
CREATE TABLE results (key TEXT PRIMARY KEY, ino INTEGER NOT NULL, about BLOB NOT NULL) WITHOUT ROWID;

-- The attributes that the services cannot hold, merged from all replicas' sidecars.
CREATE TABLE attrs (
  drop_ino INTEGER NOT NULL, key TEXT NOT NULL, rec BLOB NOT NULL, PRIMARY KEY (drop_ino, key)
) WITHOUT ROWID;
CREATE TABLE attrs_touched (drop_ino INTEGER NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (drop_ino, key)) WITHOUT ROWID;
CREATE TABLE segments (
  drop_ino INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (drop_ino, id)
) WITHOUT ROWID;
`
