// Package hub is dropfs's own server: it assembles metadata (store), bytes (objects) and wires (dropzone, d3) into one
// http.Handler. The same handler runs inside a mount, reached through an in-memory listener, and behind `dropfs serve`.
//
// It must never import a client.
//
// Invariants:
//
//	H1: a confirm is answered only when the object and its metadata are durable; a kill at any instant loses no file that
//	    was confirmed.
//	H2: a kill at any instant leaks no space: what was never confirmed, and objects without metadata, are removed by the
//	    sweep that Run begins with.
//	H3: several hubs may share one database and one object store, and any of them may die.
//	H4: the text of a key is kept nowhere and printed once.
//
// Open starts nothing; Run owns every goroutine. A hub that is served without Run answers everything, but expires and
// cleans nothing, converts nothing, and its change feed hears of no other process.
package hub
