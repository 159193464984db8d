// Package archive is the engine for archives: zip, tar, tgz and tzst of files, each made of another, and their members one
// by one.
//
//	Run ─ pack     sources ──────────────▶ packer (zip | tar | tar in gzip | tar in zstd)
//	    ├ repack   walk (zip | tar …) ──▶ packer
//	    └ extract  walk ─ the one member ▶ the result
//	List ─ walk ─ names and sizes
//
// A member is a regular file with a safe name. Links, devices, directories, names that lead out of the archive, a second
// file of one name and a file below a file are no members: they are neither listed nor taken over.
//
// Invariants:
//
//	A1: every name that is listed or written is local (filepath.IsLocal), with slashes, without control characters.
//	A2: no two members have one name, and none lies below another.
//	A3: unpacking stops at the limit of the result and at ratio times the archive's size, whatever the archive says.
//	A4: no more than maxEntries are looked at, and none is allocated for that was not found.
//	A5: what a repacked archive holds is what the members of its source are, byte by byte, with their times.
//	A6: a cancelled run ends at its next read or write.
package archive
