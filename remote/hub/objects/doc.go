// Package objects keeps the bytes of the hub's files: Dir in a directory, S3 in any store that speaks S3. It knows keys,
// sizes and types, and nothing of drops, names or permissions.
//
// Invariants:
//
//	O1: an object that Commit, Put or Copy has answered is durable and never changes: uploads go to a place of their
//	    own, and no signed URL reaches a committed object for writing.
//	O2: a signed URL is good for one method, key, part, size and type, until one instant, and for nothing else; a part of
//	    S3 whose size is not known has any size that S3 takes.
//	O3: what has not exactly the declared size is never committed.
//	O4: Commit, Abort and Delete can be repeated after a death at any instant, and lead to the same end.
//
// # Dir
//
// Everything is below one directory:
//
//	incoming/KEY            the bytes of a single upload, whole and synced
//	parts/KEY/N.MD5         part N of a multipart upload, whole and synced
//	objects/KK/KEY          committed; KK are the key's last two characters
//	tmp/*                   being written; locked with flock(2) by the process that writes it
//
// What a death after each step of an upload leaves behind, and who cleans it (the names are those of DirConfig.Step):
//
//	put.begun       a file in tmp without a lock                    Sweep removes it
//	put.written     the same
//	put.renamed     incoming/KEY or parts/KEY/N.MD5, whole          it has arrived: the upload goes on, or is given up later
//	join.begun      a file in tmp without a lock, all parts         Sweep removes it, Commit begins anew
//	join.written    the same
//	commit.renamed  objects/KK/KEY, no metadata yet; parts remain   Commit answers the object as it is; else it is given up
//	                                                                with its row and removed as garbage
//	commit.synced   the same
//	copy.linked     objects/KK/KEY of a file that is pending        it goes with its row; the copy is asked for anew
//
// After the metadata is durable the parts are left over: Cleanup removes them, or Sweep.
//
// # S3
//
// A single upload is put under incoming/KEY and copied by the server to objects/KEY at Commit, because its signed URL
// would still open it for writing; a multipart upload is completed at objects/KEY, its URLs die with it. Where the sizes of
// its parts are not known beforehand (Upload.Count), Commit measures them.
//
// What a death after each step of a multipart upload leaves behind, and who cleans it:
//
//	StartParts      an upload that no row names                     Sweep gives it up after an hour
//	the row         an upload, with the parts that came             it goes on, or goes with its row as garbage
//	Commit          objects/KEY, no metadata yet                    Commit answers the object as it is; else it is given up
//	                                                                with its row and removed as garbage
package objects
