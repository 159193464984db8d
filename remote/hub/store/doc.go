// Package store keeps the hub's metadata: keys and their allowances, drops, files, grants, the feed of changes, the files,
// operations, jobs and webhooks of the D3 wire (d3_*.go), and the list of objects that wait to be removed. It knows no wire
// format and touches no object.
//
// It must never hold the text of a key, only its hash, and never answer a drop that has expired.
//
// Invariants:
//
//	S1: a change of files or drops, its event in the feed and the drop's used space are one transaction.
//	S2: drops.used is the sum of the sizes of all files of the drop, confirmed or not.
//	S3: an object that may exist has a row in files, in d3_objects or in garbage, at every instant: the row is written
//	    before the first byte can come, and is only ever removed together with an insert into garbage.
//	S4: what was answered is durable (FULL), but for the reservation of an upload, which costs a new request if lost.
//	S5: money is counted in whole thousandths of a GB-month and never goes below zero.
//	S6: a job is added in the transaction that makes it needed; what it does can be done again.
//
// States of a file (the function that makes the move):
//
//	        Reserve          Confirm
//	(none) --------> pending --------> confirmed
//	                   |                   |
//	                   | DeleteFile, Sweep | DeleteFile, Confirm(replaces), DeleteDrop, Sweep
//	                   v                   v
//	                garbage ----------> (none)     DropGarbage
//
// The SQL is the common part of SQLite and PostgreSQL; what differs is in a dialect, one file each.
// Lock order: writer, then mu. A change that returns without an error may still fail with the transaction that it shares,
// so its function sets results only for its own caller, and has no other effects.
package store
