// Package transfer moves the bytes of assets: presigned PUTs, single or in parts, and ranged GETs.
//
// It knows URLs, ranges and checksums. It knows no service: what asks for fresh URLs, or says where a download begins, is
// given by the client that uses it.
//
// Invariants:
//
//	F1: a signed URL is sent no credential, and is shown in no error.
//	F2: a part that has an ETag is never sent again.
//	F3: an ETag that looks like an md5 is one, and is checked against what was sent, unless the store says that it encrypts.
//	F4: record is never called twice at a time, and an upload handed to it is not changed afterwards.
//	F5: a body opened by Fetch gives exactly the bytes asked for, of the version asked for, or an error.
//	F6: reads in chunks cost one API request for as long as the signed URL behind it lives.
//
// Locks: sending.mu guards the upload under way and orders record and renewal. It is held while they run: they are the
// only callbacks, and the senders of parts that have not arrived must wait for them anyway.
package transfer
