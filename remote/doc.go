// Package remote is the domain: what a file-drop service is to the rest of dropfs.
//
// It holds the words (drop, asset, version), the kinds of error and the one interface, Service, behind which every
// service stands. It imports nothing of ours, does no I/O and knows no wire format.
//
// Invariants:
//
//	R1: an asset's bytes never change. New content is a new asset with a new id (wire/dropzone.md §2); so an AssetID
//	    is a version, and the cache may keep what it fetched for as long as it likes.
//	R2: an error that crosses this border is an *Error with a Kind; what the kind means for the disk is decided elsewhere.
//	R3: a secret has the type Secret, which prints as ***.
package remote
