// Package dropzone is the Dropzone wire of the hub: all four generations of the API side by side, and our own additions
// (wire/dropzone.md). It maps requests to store and objects; it keeps nothing itself.
//
//	/api      G0 and G1: a dropzone or file is named by its id alone, and the id is the credential
//	/api/v1   G2: header x-dropzone-id; G3: header x-api-key on everything
//	/cdn      files that "anyone" may download
//	/link     what POST /files/{id}/link has signed
//
// Every route exists under /api and /api/v1 alike; the only difference is that below /api a bare file id suffices to
// see, read and confirm that file, as in G1, where id-only access is allowed at all.
//
// Invariants:
//
//	D1: an answer with an object carries its fields twice, at the top level and in data: the seed reads the one, the SDKs
//	    the other.
//	D2: a key that is sent is judged by what it may do; the id of a dropzone in the path does not help a foreign key.
//	D3: nobody grants what he does not hold.
//	D4: space is reserved before an upload URL is answered, and a file exists for others only when its metadata is durable.
//	D5: the id of a dropzone opens all of it, so a FileItem shows it only to who knows it or has a right on the dropzone:
//	    who may read one file learns nothing of the others, and a link ends when it says so.
//
// Permissions: the key that made a dropzone holds dropzone.own, which is all dropzone.* and all file.* of its files;
// file.own is all file.*; dropzone.download is file.download of its files. Who asked for an upload may confirm, see and
// give it up. "anyone" stands for everybody, with a key or without.
package dropzone
